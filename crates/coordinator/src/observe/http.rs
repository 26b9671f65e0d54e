//! `/metrics` for Prometheus, `/healthz` and `/readyz` for probes.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::prometheus_text::{CONTENT_TYPE, encode};
use prometheus_client::registry::Registry;
use tonic::codegen::http::StatusCode;
use tonic::codegen::http::header::CONTENT_TYPE as HEADER;

use super::{Observed, metrics};

/// The three pages.
pub(super) fn routes(observed: &Observed) -> Router {
    let registry = Arc::new(metrics::registry(observed.clone()));
    let (alive, ready) = (observed.clone(), observed.clone());
    Router::new()
        .route("/metrics", get(show).with_state(registry))
        .route("/healthz", get(|| async move { probe(alive.is_alive(), &alive) }))
        .route("/readyz", get(|| async move { probe(ready.is_ready(), &ready) }))
        .fallback(|| async { (StatusCode::NOT_FOUND, "here are /metrics, /healthz and /readyz\n") })
}

async fn show(State(registry): State<Arc<Registry>>) -> Response {
    let mut text = String::new();
    match encode(&mut text, &registry) {
        Ok(()) => ([(HEADER, CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

fn probe(is_well: bool, observed: &Observed) -> Response {
    let status = if is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, format!("{}\n", observed.phase().name())).into_response()
}
