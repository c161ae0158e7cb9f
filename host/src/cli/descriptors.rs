//! File descriptors: as many as the system gives, and of them some that clients of the host's intake can't take.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Config;

/// For the log, the listener, signals, watches and the store.
const OWN: u64 = 32;

/// So that a client that stays leaves room for one that watches the host.
const LEAST: usize = 2;

/// Raises the limit of this process as far as it may, and returns it; none where there is no limit.
pub(super) fn raise() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum,
        Err(_) => current,
    }
}

/// Bounds what the intake takes and what requests to the API server take, so that each leaves the other enough: of so
/// many descriptors, connections may take half, and requests to the API server a quarter. What else the host opens,
/// to other servers and for artifacts, has the rest.
///
/// Returns what to warn of, where that is less than is configured.
pub(super) fn share_out(descriptors: Option<u64>, config: &mut Config) -> Vec<String> {
    let Some(descriptors) = descriptors else { return Vec::new() };
    let free = usize::try_from(descriptors.saturating_sub(OWN)).unwrap_or(usize::MAX);
    let mut warnings = Vec::new();
    let mut bound = |key: &str, configured: &mut usize, most: usize| {
        let most = most.max(LEAST);
        if *configured > most {
            warnings.push(format!(
                "the system gives {descriptors} file descriptors ('ulimit -n'), so '{key}' is {most} and not {configured}"
            ));
            *configured = most;
        }
    };
    bound("concurrency.requests_max", &mut config.concurrency_requests_max, free / 4);
    let connections_max = config.server.connections_max;
    bound("server.connections_max", &mut config.server.connections_max, free / 2);
    // It stays the share that it was.
    if config.server.connections_max < connections_max {
        let per_peer = config.server.connections_per_peer_max as u128 * config.server.connections_max as u128;
        let per_peer = per_peer.div_ceil(connections_max as u128);
        config.server.connections_per_peer_max = usize::try_from(per_peer).unwrap_or(usize::MAX);
    }
    warnings
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(descriptors: Option<u64>, expected: Expect) {
        let read = |_: &std::path::Path| Err(std::io::ErrorKind::NotFound.into());
        let (mut config, _) = Config::load(None, &[], |_| None, read).unwrap();
        let warnings = share_out(descriptors, &mut config).join("\n");
        let server = config.server;
        expected.assert_eq(&format!(
            "connections: {}, of one address: {}, requests: {}\n{warnings}",
            server.connections_max, server.connections_per_peer_max, config.concurrency_requests_max
        ));
    }

    #[test]
    fn clients_leave_descriptors_to_the_host() {
        check(
            None,
            expect![[r#"
            connections: 1024, of one address: 512, requests: 256
        "#]],
        );
        check(
            Some(20_000),
            expect![[r#"
            connections: 1024, of one address: 512, requests: 256
        "#]],
        );
        check(
            Some(1024),
            expect![[r#"
            connections: 496, of one address: 248, requests: 248
            the system gives 1024 file descriptors ('ulimit -n'), so 'concurrency.requests_max' is 248 and not 256
            the system gives 1024 file descriptors ('ulimit -n'), so 'server.connections_max' is 496 and not 1024"#]],
        );
        check(
            Some(20),
            expect![[r#"
            connections: 2, of one address: 1, requests: 2
            the system gives 20 file descriptors ('ulimit -n'), so 'concurrency.requests_max' is 2 and not 256
            the system gives 20 file descriptors ('ulimit -n'), so 'server.connections_max' is 2 and not 1024"#]],
        );
    }
}
