//! Readers of others, which panic where a file is not as they expect it.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// What `read` gives; its panic as a sentence. Only for readers that are not ours and that keep nothing half done.
///
/// ```
/// use babelscope_core::guard::guarded;
/// assert_eq!(guarded(|| 5), Ok(5));
/// # std::panic::set_hook(Box::new(|_| ()));
/// assert_eq!(guarded(|| -> u32 { panic!("no third number") }), Err("no third number".to_owned()));
/// ```
///
/// # Errors
/// The message of the panic.
pub fn guarded<T>(read: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(read)).map_err(|panic| said(panic.as_ref()))
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("without a message").to_owned()
}
