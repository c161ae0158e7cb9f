//! Tries to reach files, the network and the environment through WASI.

#[macro_use]
#[path = "../../hostile.rs"]
mod hostile;

use bindings::wasi::cli::{environment, stderr, stdout};
use bindings::wasi::filesystem::preopens;
use bindings::wasi::sockets::instance_network::instance_network;
use bindings::wasi::sockets::ip_name_lookup::resolve_addresses;
use bindings::wasi::sockets::network::{ErrorCode, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress};
use bindings::wasi::sockets::tcp_create_socket::create_tcp_socket;
use bindings::wasi::sockets::udp_create_socket::create_udp_socket;
use falco_talon_sdk::{Event, Failure, Outcome, Report};

#[allow(missing_docs, unsafe_code, unreachable_pub, clippy::all, reason = "generated from `wit/`")]
mod bindings {
    wit_bindgen::generate!({ path: "wit", world: "imports", generate_all });
}

guest!("hostile:wasi");

fn run(_: &Event) -> Result<Outcome, Failure> {
    stdout::get_stdout().blocking_write_and_flush(b"words\nand mo").ok();
    stdout::get_stdout().blocking_write_and_flush(b"re words\n").ok();
    stderr::get_stderr().blocking_write_and_flush(b"a \x1b[31mcomplaint").ok();
    let network = instance_network();
    let address = |port| IpSocketAddress::Ipv4(Ipv4SocketAddress { port, address: (127, 0, 0, 1) });
    let connected = create_tcp_socket(IpAddressFamily::Ipv4).and_then(|it| it.start_connect(&network, address(80)));
    let listening = create_tcp_socket(IpAddressFamily::Ipv4).and_then(|it| it.start_bind(&network, address(0)));
    let sending = create_udp_socket(IpAddressFamily::Ipv4).and_then(|it| it.start_bind(&network, address(0)));
    let resolved = resolve_addresses(&network, "localhost").map(drop);
    Ok(Outcome::Done(Report::new(format!(
        "variables: {}, arguments: {}, directory: {:?}, folders: {}, connect: {}, listen: {}, udp: {}, resolve: {}",
        environment::get_environment().len(),
        environment::get_arguments().len(),
        environment::initial_cwd(),
        preopens::get_directories().len(),
        told(connected),
        told(listening),
        told(sending),
        told(resolved),
    ))))
}

fn told(result: Result<(), ErrorCode>) -> &'static str {
    match result {
        Ok(()) => "let through",
        Err(ErrorCode::AccessDenied) => "denied",
        Err(error) => error.name(),
    }
}
