//! A sweep: many models, languages and blocks of sentences, cut into shards that survive the death of whatever computes them.
//!
//! A shard is named by the hash of what determines it, written under a temporary name, published by `link(2)`, and done once its
//! record lies beside it. So any number of processes may work in one folder, a second copy of a shard is never an error, and a
//! sweep that was interrupted goes on with what is missing. The folder is the truth; queues and logs are hints.
//!
//! `plan` cuts, `folder` keeps, `extract` and `analyse` compute, `source` reads what was stored, `merge` makes an ordinary run folder of each model.

mod analyse;
mod bundle;
mod extract;
mod folder;
mod merge;
mod plan;
mod record;
mod source;
mod status;
mod work;

pub use bundle::Phase;
pub use folder::{Reused, Sweep, SweepInfo};
pub use merge::Merged;
pub use plan::{Model, Plan, Shard, Stage};
pub use status::{Count, Status, Tally, ranges};
pub use work::{Selection, Summary};
