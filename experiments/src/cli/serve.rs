//! `babelscope serve FOLDER`.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    process::exit,
    time::Duration,
};

use anyhow::{Context as _, Result};
use babelscope::{
    fault::Fault,
    serve::{Limits, Server, Token},
};
use clap::Args;

use crate::terminal;

#[derive(Args)]
pub(super) struct Arguments {
    /// A run folder, or a folder of runs
    folder: PathBuf,
    /// Address and port; port 0 takes any that is free. Another machine reaches 127.0.0.1 through `ssh -L`
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "IP:PORT")]
    listen: String,
    #[command(flatten)]
    token: TokenArguments,
    /// Requests a second of one address
    #[arg(long, default_value_t = Limits::default().rate, value_name = "N")]
    rate: f64,
    /// Connections open at once
    #[arg(long, default_value_t = Limits::default().connections, value_name = "N")]
    connections: usize,
    /// In how many seconds the head of a request must have come
    #[arg(long, default_value_t = 10, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,
}

/// The secret of a server.
#[derive(Args)]
pub(super) struct TokenArguments {
    /// The token; others on this machine can see it in the list of processes, so a file is better
    #[arg(long, conflicts_with = "token_file")]
    token: Option<String>,
    /// A file that holds the token and nothing else
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl TokenArguments {
    /// The token, where one was given.
    pub(super) fn read(&self) -> Result<Option<Token>> {
        match (&self.token, &self.token_file) {
            (Some(text), _) => Token::new(text).map(Some),
            (None, Some(file)) => Token::read(file).map(Some),
            (None, None) => Ok(None),
        }
    }
}

pub(super) fn main(arguments: &Arguments) -> Result<()> {
    let address = address(&arguments.listen)?;
    let given = arguments.token.read()?;
    let token = given.clone().map_or_else(Token::generate, Ok)?;
    let limits = Limits {
        rate: arguments.rate,
        connections: arguments.connections.max(1),
        head: Duration::from_secs(arguments.timeout),
        ..Limits::default()
    };
    let server = Server::bind(&arguments.folder, address, token.clone(), limits)?;
    let stop = server.stopper();
    ctrlc::set_handler(move || {
        if stop.stop() {
            exit(130);
        }
        terminal::note("\nending when what is being sent has arrived; once more ends at once");
    })
    .context("cannot listen for Ctrl-C")?;
    if !address.ip().is_loopback() {
        terminal::note(&format!(
            "warning: {} can be reached from other machines, and nothing is encrypted: whoever sees the traffic has the token and \
             the runs. 127.0.0.1 with `ssh -L` is safe (docs/REMOTE.md)",
            address.ip()
        ));
    }
    let folder = arguments.folder.display();
    terminal::note(&format!("showing {folder}, read-only, until Ctrl-C"));
    terminal::print(&format!("http://{}", server.address()));
    if given.is_none() {
        terminal::print(&format!("token {}", token.secret()));
    }
    server.run(&|line| terminal::note(line));
    Ok(())
}

/// An address that names itself: no name is looked up, so nobody listens where they did not mean to.
fn address(text: &str) -> Result<SocketAddr> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let port = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
    port.map(|port| SocketAddr::new(IpAddr::from([127, 0, 0, 1]), port)).ok_or_else(|| {
        Fault::spec(format!("--listen is {text:?}; expected an IP address and a port, such as 127.0.0.1:8080")).into()
    })
}
