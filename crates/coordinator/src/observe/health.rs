//! gRPC's health service (`grpc.health.v1`), as Kubernetes' `grpc` probes ask it.
//!
//! | service | it is serving |
//! | --- | --- |
//! | `""` | while the coordinator does what it should: for liveness |
//! | `taugrid.v1.Dispatch` | while workers that dial are answered: for readiness |
//! | `externalscaler.ExternalScaler` | always, where it is served |

use std::time::Duration;

use taugrid_wire::externalscaler::external_scaler_server::ExternalScalerServer;
use taugrid_wire::v1::control_server::ControlServer;
use taugrid_wire::v1::dispatch_server::DispatchServer;
use tonic::server::NamedService;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::server::HealthReporter;

use super::{Observed, scaler};
use crate::control::ControlService;
use crate::service::Service;

/// How often it is looked whether the coordinator is stuck.
const PERIOD: Duration = Duration::from_secs(1);

/// The service, which follows the coordinator as long as that lives.
pub(super) async fn following(mut observed: Observed, serves_scaler: bool) -> HealthServer<impl Health> {
    let (reporter, server) = tonic_health::server::health_reporter();
    if serves_scaler {
        report(&reporter, ExternalScalerServer::<scaler::Scaler>::NAME, true).await;
    }
    report(&reporter, DispatchServer::<Service>::NAME, observed.is_ready()).await;
    tokio::spawn(async move {
        loop {
            report(&reporter, "", observed.is_alive()).await;
            report(&reporter, DispatchServer::<Service>::NAME, observed.is_ready()).await;
            if let Ok(false) = tokio::time::timeout(PERIOD, observed.changed()).await {
                return;
            }
        }
    });
    server
}

/// The service on the port that workers dial: whoever is answered there is told that it serves.
pub async fn serving() -> HealthServer<impl Health> {
    let (reporter, server) = tonic_health::server::health_reporter();
    for service in [DispatchServer::<Service>::NAME, ControlServer::<ControlService>::NAME] {
        report(&reporter, service, true).await;
    }
    server
}

async fn report(reporter: &HealthReporter, service: &str, is_serving: bool) {
    let status = if is_serving { ServingStatus::Serving } else { ServingStatus::NotServing };
    reporter.set_service_status(service, status).await;
}
