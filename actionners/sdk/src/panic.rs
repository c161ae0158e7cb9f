//! The words of a panic, on their way to the host's log before the component is gone.

use std::sync::Once;

use crate::log;

static HOOK: Once = Once::new();

/// Reports panics from now on, as errors of the log: where, and the words.
pub(crate) fn report() {
    HOOK.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(|at| format!(" at {at}")).unwrap_or_default();
            let words = panic.payload_as_str().unwrap_or("no words");
            log::error(&format!("panicked{place}: {words}"));
        }));
    });
}
