//! More clients than there are places.
//!
//! No test waits for a time: a client knows that its event is under way once it is asked for the body.

use std::net::{IpAddr, Ipv4Addr};

use tokio::net::TcpSocket;
use tokio::time::timeout;

use super::*;

const PLACES: usize = 8;

const FEW: ServerLimits = ServerLimits { connections_max: PLACES, connections_per_peer_max: PLACES, ..LIMITS };

impl Host {
    /// A client of this machine, whose address ends so.
    async fn client_from(&self, last: u8) -> Client {
        let socket = TcpSocket::new_v4().unwrap();
        let address: IpAddr = Ipv4Addr::new(127, 0, 0, last).into();
        socket.bind((address, 0).into()).unwrap();
        Client(socket.connect(self.address).await.unwrap())
    }

    /// A client that has an answer, and is now idle.
    async fn idle(&self) -> Client {
        let mut client = self.client().await;
        client.send(&get("/healthz")).await;
        assert_eq!(client.answer().await.unwrap().status(), 200);
        client
    }

    /// A client whose event is under way: the host waits for the body.
    async fn under_way(&self) -> Client {
        let mut client = self.client().await;
        client.send(&announced()).await;
        assert_eq!(client.answer().await.unwrap().status(), 100);
        client
    }

    /// What watches the program gets its answers.
    async fn is_watched(&self) {
        for path in ["/healthz", "/metrics"] {
            assert_eq!(self.ask(&get(path)).await.status(), 200, "{path}");
        }
        assert_eq!(self.ask(&get("/readyz")).await.status(), 200);
    }
}

fn announced() -> String {
    format!("POST / HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n", EVENT.len())
}

#[tokio::test]
async fn silence_holds_no_place() {
    let host = Host::with(FEW, 100, false).await;
    let mut silent = Vec::new();
    for _ in 0..3 * PLACES {
        silent.push(host.client().await);
    }
    host.is_watched().await;
    assert_eq!(host.post(EVENT).await.status(), 200);
    for client in &mut silent[..2 * PLACES] {
        assert!(client.is_closed().await);
    }
    assert!(host.logged().contains("WRN http error=\"8 connections were open ('server.connections_max'): the idlest"));
    assert!(host.intake.metrics.render().contains(r#"displaced_connection_total{limit="server.connections_max"}"#));
}

#[tokio::test]
async fn slow_heads_hold_no_place() {
    let host = Host::with(FEW, 100, false).await;
    let mut slow = Vec::new();
    for _ in 0..3 * PLACES {
        let mut client = host.client().await;
        client.send("GET /he").await;
        slow.push(client);
    }
    host.is_watched().await;
    assert_eq!(host.post(EVENT).await.status(), 200);
}

/// Slow bodies take the places for events, and no others.
#[tokio::test]
async fn slow_bodies_leave_places() {
    let host = Host::with(FEW, 100, false).await;
    let mut slow = Vec::new();
    for _ in 1..PLACES {
        slow.push(host.under_way().await);
    }
    for _ in 0..2 * PLACES {
        let mut late = host.client().await;
        late.send(&post("/", EVENT)).await;
        let answer = late.answer().await.unwrap();
        assert_eq!((answer.status(), answer.header("retry-after")), (503, Some("1")));
    }
    host.is_watched().await;
    for mut client in slow {
        client.send(EVENT).await;
        assert_eq!(client.answer().await.unwrap().status(), 200);
    }
    assert_eq!(host.post(EVENT).await.status(), 200);
}

/// One that is refused does not hold its place by never sending the body.
#[tokio::test]
async fn a_refused_event_holds_no_place() {
    let host = Host::with(FEW, 100, false).await;
    let mut slow = Vec::new();
    for _ in 1..PLACES {
        slow.push(host.under_way().await);
    }
    let mut late = host.client().await;
    late.send("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 100\r\n\r\n{").await;
    assert_eq!(late.answer().await.unwrap().status(), 503);
    assert!(late.is_closed().await);
}

#[tokio::test(start_paused = true)]
async fn the_idlest_makes_room_and_never_a_request() {
    let host = Host::with(FEW, 100, false).await;
    let mut busy = host.under_way().await;
    let mut idle = Vec::new();
    for _ in 1..PLACES {
        idle.push(host.idle().await);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    // The first is now the one that was used last.
    idle[0].send(&get("/healthz")).await;
    assert_eq!(idle[0].answer().await.unwrap().status(), 200);
    let _new = host.idle().await;
    assert!(idle[1].is_closed().await);
    for client in idle.iter_mut().skip(2).chain([&mut busy]) {
        assert!(timeout(Duration::from_millis(1), client.is_closed()).await.is_err());
    }
    busy.send(EVENT).await;
    assert_eq!(busy.answer().await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_goes_before_half_a_head() {
    let limits = ServerLimits { connections_max: 2, ..FEW };
    let host = Host::with(limits, 100, false).await;
    let mut half = host.client().await;
    half.send("GET /healthz HTTP/1.1\r\n").await;
    let mut idle = host.idle().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let _new = host.idle().await;
    assert!(idle.is_closed().await);
    half.send("\r\n").await;
    assert_eq!(half.answer().await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn where_all_is_under_way_a_client_waits() {
    let limits = ServerLimits { connections_max: 1, ..FEW };
    let host = Host::with(limits, 100, false).await;
    let mut first = host.under_way().await;
    let mut second = host.client().await;
    second.send(&get("/healthz")).await;
    assert!(timeout(Duration::from_secs(1), second.answer()).await.is_err());
    first.send(EVENT).await;
    assert_eq!(first.answer().await.unwrap().status(), 200);
    assert_eq!(second.answer().await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn an_address_with_more_than_its_share_makes_room_first() {
    let limits = ServerLimits { connections_per_peer_max: 2, ..FEW };
    let host = Host::with(limits, 100, false).await;
    let mut other = host.client_from(2).await;
    let mut many = Vec::new();
    for _ in 1..PLACES {
        many.push(host.client_from(3).await);
    }
    let mut third = host.client_from(4).await;
    third.send(&get("/healthz")).await;
    assert_eq!(third.answer().await.unwrap().status(), 200);
    assert!(many[0].is_closed().await);
    other.send(&get("/healthz")).await;
    assert_eq!(other.answer().await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn an_address_gives_up_its_own_idlest() {
    let limits = ServerLimits { connections_per_peer_max: 2, ..FEW };
    let host = Host::with(limits, 100, false).await;
    let mut idle = Vec::new();
    for _ in 0..2 {
        idle.push(host.idle().await);
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    let _new = host.idle().await;
    assert!(idle[0].is_closed().await);
    assert!(timeout(Duration::from_millis(1), idle[1].is_closed()).await.is_err());
    assert!(host.logged().contains("2 connections of one address were open ('server.connections_per_peer_max')"));
}

/// All of one address that are in use stay, as long as nobody else needs a place.
#[tokio::test]
async fn a_burst_of_one_address_loses_nothing() {
    let limits = ServerLimits { connections_per_peer_max: 2, ..FEW };
    let host = Host::with(limits, 100, false).await;
    let mut burst = Vec::new();
    for _ in 1..PLACES {
        burst.push(host.client().await);
    }
    for client in &mut burst {
        client.send(&post("/", EVENT)).await;
        assert_eq!(client.answer().await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn the_events_of_one_address_are_bounded() {
    let limits = ServerLimits { connections_per_peer_max: 2, ..FEW };
    let host = Host::with(limits, 100, false).await;
    let (_first, _second) = (host.under_way().await, host.under_way().await);
    assert_eq!(host.post(EVENT).await.status(), 503);
    let mut other = host.client_from(2).await;
    other.send(&post("/", EVENT)).await;
    assert_eq!(other.answer().await.unwrap().status(), 200);
}
