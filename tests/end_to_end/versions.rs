//! Ends of different releases do not talk.

use rig::{Folder, Process};
use taugrid_process::access::Access;
use taugrid_process::connect::Target;
use taugrid_wire::PROTOCOL;
use taugrid_wire::v1::coordinator_message::Kind;
use taugrid_wire::v1::dispatch_client::DispatchClient;
use taugrid_wire::v1::dispatch_server::{Dispatch, DispatchServer};
use taugrid_wire::v1::farewell::Reason;
use taugrid_wire::v1::{
    ArtifactChunk, CoordinatorMessage, Farewell, FetchArtifactRequest, Hello, WorkerMessage, worker_message,
};
use tokio_stream::{Iter, iter};
use tonic::{Request, Response, Status, Streaming};

use crate::SMALL;

/// A worker of another release, to the real coordinator.
#[tokio::test]
async fn the_coordinator_sends_a_worker_of_another_release_away() {
    let folder = Folder::new();
    folder.write("sweep.yaml", SMALL);
    let mut coordinator = folder.start_coordinator("sweep.yaml", "out");
    coordinator.wait_for("listening on ");
    let access = Access::read(&folder.path("access.json")).expect("it is there");
    let target = Target::new(&access.coordinator, access.tls.as_ref(), false).expect("an address");
    let hello =
        Hello { protocol: PROTOCOL, release: "0.0.1".into(), name: "old".into(), threads: 1, ..Hello::default() };
    let hello = WorkerMessage { kind: Some(worker_message::Kind::Hello(hello)) };
    let mut client = DispatchClient::new(target.dial().await.expect("it listens"));
    let mut answers = client.attach(iter([hello])).await.expect("it answers").into_inner();
    let answer = answers.message().await.expect("a message").expect("a message");
    let Some(Kind::Farewell(farewell)) = answer.kind else { panic!("{answer:?}") };
    assert_eq!(farewell.reason(), Reason::Incompatible);
    assert!(farewell.detail.contains("0.0.1") && farewell.detail.contains("same release"), "{}", farewell.detail);
}

/// A coordinator of another release, as the real worker meets it.
struct Other;

#[tonic::async_trait]
impl Dispatch for Other {
    type AttachStream = Iter<std::vec::IntoIter<Result<CoordinatorMessage, Status>>>;
    type FetchArtifactStream = Iter<std::vec::IntoIter<Result<ArtifactChunk, Status>>>;

    async fn attach(&self, _: Request<Streaming<WorkerMessage>>) -> Result<Response<Self::AttachStream>, Status> {
        let farewell =
            Farewell { reason: Reason::Incompatible.into(), detail: "install the same release on both".into() };
        Ok(Response::new(iter(vec![Ok(CoordinatorMessage { kind: Some(Kind::Farewell(farewell)) })])))
    }

    async fn fetch_artifact(
        &self,
        _: Request<FetchArtifactRequest>,
    ) -> Result<Response<Self::FetchArtifactStream>, Status> {
        Err(Status::not_found("none"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_sent_away_says_why() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let server = tonic::transport::Server::builder()
        .add_service(DispatchServer::new(Other))
        .serve_with_incoming(tonic::transport::server::TcpIncoming::from(listener));
    tokio::spawn(server);
    let run = tokio::task::spawn_blocking(move || Process::start("taugrid-worker", ["--coordinator", &url]).end());
    run.await.expect("it ran").assert(2, &["same release"]);
}

#[test]
fn a_worker_without_a_coordinator_gives_up_when_told_to() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", taken.local_addr().expect("an address"));
    drop(taken);
    let words = ["--coordinator", url.as_str(), "--patience", "0"];
    Process::start("taugrid-worker", words).end().assert(3, &["cannot be reached"]);
    Process::start("taugrid-worker", ["--coordinator", "not an address"]).end().assert(2, &["http://HOST:PORT"]);
}
