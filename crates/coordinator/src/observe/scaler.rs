//! KEDA's external scaler: how many workers are wanted.
//!
//! The metric is the number of slots that the work is worth (`useful`); its target is the slots of one worker, so that
//! KEDA wants as many workers as there are useful slots over slots per worker, rounded up. It is active, and there is one
//! worker at least, as long as that is not zero.
//!
//! | key of the trigger's metadata | what it is |
//! | --- | --- |
//! | `slotsPerWorker` | the `--threads` of one worker |
//! | `worthSeconds` | a worker is added if there is work of so long for each of its slots; 60 if not said |

use std::pin::Pin;
use std::time::Duration;

use taugrid_wire::externalscaler::external_scaler_server::ExternalScaler;
use taugrid_wire::externalscaler::{
    GetMetricSpecResponse, GetMetricsRequest, GetMetricsResponse, IsActiveResponse, MetricSpec, MetricValue,
    ScaledObjectRef,
};
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::Observed;

/// What the metric is called.
const METRIC: &str = "taugrid-useful-slots";
/// The thread time that makes a new slot worth its start, if the trigger does not say.
const WORTH: Duration = Duration::from_secs(60);

/// Answers KEDA.
pub(super) struct Scaler(pub(super) Observed);

#[tonic::async_trait]
impl ExternalScaler for Scaler {
    type StreamIsActiveStream = Pin<Box<dyn Stream<Item = Result<IsActiveResponse, Status>> + Send>>;

    async fn is_active(&self, request: Request<ScaledObjectRef>) -> Result<Response<IsActiveResponse>, Status> {
        let trigger = Trigger::read(request.get_ref())?;
        Ok(Response::new(trigger.is_active(&self.0)))
    }

    async fn stream_is_active(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<Self::StreamIsActiveStream>, Status> {
        let trigger = Trigger::read(request.get_ref())?;
        let (said, answers) = mpsc::channel(1);
        let mut observed = self.0.clone();
        tokio::spawn(async move {
            let mut last = None;
            loop {
                let now = trigger.is_active(&observed);
                if last != Some(now) {
                    last = Some(now);
                    if said.send(Ok(now)).await.is_err() {
                        return;
                    }
                }
                tokio::select! {
                    () = said.closed() => return,
                    lives = observed.changed() => if !lives { return },
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(answers))))
    }

    async fn get_metric_spec(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<GetMetricSpecResponse>, Status> {
        let slots = Trigger::read(request.get_ref())?.slots;
        let spec = MetricSpec {
            metric_name: METRIC.to_owned(),
            target_size: i64::from(slots),
            target_size_float: f64::from(slots),
        };
        Ok(Response::new(GetMetricSpecResponse { metric_specs: vec![spec] }))
    }

    async fn get_metrics(&self, request: Request<GetMetricsRequest>) -> Result<Response<GetMetricsResponse>, Status> {
        let GetMetricsRequest { scaled_object_ref, metric_name } = request.into_inner();
        // KEDA asks by the name of the spec, older ones with a prefix of their own.
        if !metric_name.ends_with(METRIC) {
            return Err(Status::invalid_argument(format!("the metric here is {METRIC}")));
        }
        let trigger = Trigger::read(&scaled_object_ref.unwrap_or_default())?;
        let slots = self.0.useful_slots(trigger.worth);
        let value = MetricValue {
            metric_name,
            metric_value: i64::try_from(slots).unwrap_or(i64::MAX),
            metric_value_float: slots as f64,
        };
        Ok(Response::new(GetMetricsResponse { metric_values: vec![value] }))
    }
}

/// What the trigger says. Other keys are KEDA's own.
#[derive(Debug, Clone, Copy)]
struct Trigger {
    slots: u32,
    worth: Duration,
}

impl Trigger {
    fn read(scaled: &ScaledObjectRef) -> Result<Self, Status> {
        let wrong = |rule: &str| Err(Status::invalid_argument(format!("the trigger's metadata: {rule}")));
        let metadata = &scaled.scaler_metadata;
        let slots = metadata.get("slotsPerWorker").and_then(|text| text.trim().parse().ok());
        let Some(slots @ 1..=65_536) = slots else {
            return wrong(
                "slotsPerWorker is the --threads of one worker, 1 to 65536, in quotes: slotsPerWorker: \"4\"",
            );
        };
        let seconds = metadata.get("worthSeconds").map(|text| text.trim().parse::<u32>());
        let worth = match seconds {
            None => WORTH,
            Some(Ok(seconds)) => Duration::from_secs(u64::from(seconds)),
            Some(Err(_)) => return wrong("worthSeconds is a whole number of seconds, in quotes: worthSeconds: \"60\""),
        };
        Ok(Self { slots, worth })
    }

    fn is_active(self, observed: &Observed) -> IsActiveResponse {
        IsActiveResponse { result: observed.useful_slots(self.worth) > 0 }
    }
}
