//! The options that say where a coordinator is observed. Off unless they are said.

use std::net::SocketAddr;

use clap::Args;
use taugrid_process::exit::Failure;
use taugrid_process::listen::public;
use taugrid_wire::externalscaler::external_scaler_server::ExternalScalerServer;
use tokio::net::TcpListener;
use tonic::service::Routes;
use tracing::warn;

use super::scaler::Scaler;
use super::{Observed, health, http};

/// The largest question, in bytes. KEDA's have some hundred.
const LARGEST: usize = 64 << 10;

/// Where a coordinator is observed, in plain text and by anyone who reaches the port. Nothing can be changed there, and no
/// row and no worker's name is shown.
#[derive(Args, Debug, Clone)]
pub struct ObserveArguments {
    /// Serve /metrics (Prometheus), /healthz and /readyz here, and gRPC's health service: in plain text, to anyone, for
    /// reading only.
    #[arg(long, value_name = "IP:PORT")]
    pub(super) http: Option<SocketAddr>,
    /// Serve KEDA's external scaler here, and gRPC's health service: in plain text, to anyone, for reading only.
    #[arg(long, value_name = "IP:PORT")]
    pub(super) scaler: Option<SocketAddr>,
}

impl ObserveArguments {
    /// Whether they make sense together.
    pub fn check(&self) -> Result<(), Failure> {
        match (self.http, self.scaler) {
            (Some(http), Some(scaler)) if http == scaler && http.port() != 0 => {
                Err(Failure::usage(format!("--http and --scaler are both {http}; choose two ports")))
            }
            _ => Ok(()),
        }
    }

    /// Begins to listen where it was said, and serves until the program ends. Gives the addresses.
    pub async fn open(&self, observed: &Observed) -> Result<Posts, Failure> {
        let mut posts = Posts::default();
        if let Some(address) = self.http {
            let health = health::following(observed.clone(), false).await;
            let routes = Routes::from(http::routes(observed)).add_service(health);
            posts.http = Some(serve("--http", address, routes).await?);
        }
        if let Some(address) = self.scaler {
            let health = health::following(observed.clone(), true).await;
            let scaler = ExternalScalerServer::new(Scaler(observed.clone())).max_decoding_message_size(LARGEST);
            posts.scaler = Some(serve("--scaler", address, Routes::new(health).add_service(scaler)).await?);
        }
        Ok(posts)
    }
}

/// Where a coordinator is observed, ports and all.
#[derive(Debug, Clone, Copy, Default)]
pub struct Posts {
    /// `/metrics`, and probes.
    pub http: Option<SocketAddr>,
    /// KEDA's external scaler.
    pub scaler: Option<SocketAddr>,
}

async fn serve(option: &str, address: SocketAddr, routes: Routes) -> Result<SocketAddr, Failure> {
    let tcp = TcpListener::bind(address).await.map_err(|error| {
        Failure::usage(format!("{option} {address}: {error}; choose another port, or port 0 for any"))
    })?;
    let address = tcp.local_addr().map_err(Failure::internal)?;
    let (mut server, incoming) = public(tcp);
    let serving = server.add_routes(routes).serve_with_incoming(incoming);
    tokio::spawn(async move {
        if let Err(error) = serving.await {
            warn!("{address} is served no more: {error}");
        }
    });
    Ok(address)
}
