//! One call in one instance, within its limits.
//!
//! CPU and waiting are distinguished: the time that a call spends inside the component's own
//! polls counts against its CPU budget, the time that it waits for a client does not. One
//! absolute deadline covers both. After a trap or a timeout the store is dropped, and never
//! called again.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use policy::{Limits, ObjectId, Uids};
use tokio::task::yield_now;
use tokio::time::{Instant, timeout_at};
use wasmtime::{Engine, Store, Trap, UpdateDeadline};
use wasmtime_wasi::I32Exit;

use super::engine::EPOCH;
use super::shares::{NoMemoryLeft, Place, Turn, Turns};
use super::state::{State, TooMuchMemory};
use super::waitless::Waitless;
use crate::capability::{Busy, Call, Exhausted, ExportsPre, HostTime, action};
use crate::clients::Circuit;

/// What a guest can make the host copy in one host call: strings and lists of all arguments.
const HOST_CALL_BYTES_MAX: usize = 1 << 20;

/// None of the interfaces hands out many handles, so a guest that hoards them is wrong.
const HANDLES_MAX: usize = 1_000;

/// What a description may wait in sum.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// What a component is called with.
pub use action::Invocation;
pub use action::Outcome;
/// How an action ended that did not fail, in the component's own words.
pub(crate) use action::Report;
/// Why an action failed, in the component's own words.
pub(crate) use action::{Failure, FailureKind};

/// The component itself failed, and has no say in how this is reported.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// It computed for longer than the policy allows.
    #[error("the actionner used more than the {} ms of CPU time that the policy allows", .0.as_millis())]
    Cpu(Duration),
    /// It asked for more memory than the policy allows.
    #[error("the actionner asked for more than the {0} bytes of memory that the policy allows")]
    Memory(usize),
    /// There is no more of what all calls share.
    #[error(
        "the actionner asked for more memory than other calls leave of the {0} bytes that all share (`concurrency.memory_bytes_max`), of which one actionner has half at most"
    )]
    MemoryOfAll(usize),
    /// The deadline passed. What it had begun may have been carried out.
    #[error("the actionner did not end within its deadline of {} ms; what it had begun may have been carried out", .0.as_millis())]
    Deadline(Duration),
    /// It waits, where there is nothing to wait for.
    #[error("the actionner waited for more than {} ms, and what it says of itself depends on nothing", .0.as_millis())]
    Waited(Duration),
    /// It made more host calls than the policy allows.
    #[error("the actionner made more than the {0} host calls that the policy allows")]
    HostCalls(u32),
    /// The host sent more requests for it than the policy allows.
    #[error(
        "the actionner needed more than the {0} requests that the policy allows; what it had begun may have been carried out"
    )]
    Requests(u32),
    /// It passed more to the host at once than is copied.
    #[error("the actionner passed more than {HOST_CALL_BYTES_MAX} bytes to the host in one call")]
    HostCallBytes,
    /// It ended itself by WASI's `exit`, as programs do and actionners must not.
    #[error("the actionner ended by `exit({0})` before it had answered; `run` answers by returning")]
    Exit(i32),
    /// It trapped: a mistake in the component.
    #[error("the actionner trapped: {0}")]
    Trap(String),
    /// It was ended before it changed anything, since another changes the same object: no failure, and to be called
    /// anew once that is free.
    #[error("{busy}")]
    Busy {
        /// What to wait for.
        busy: Box<Busy>,
        /// Which objects it had found, for the call that is the same once more.
        learnt: Uids,
    },
}

/// What came of a call that ended by itself.
pub struct CallOutput {
    /// What the component says of it.
    pub result: Result<Outcome, Failure>,
    /// Whether nobody knows what became of one of its writes.
    pub has_unknown_end: bool,
    /// Whether the policy has denied one of its calls.
    pub was_denied: bool,
    /// The circuit of a server that could not be reached, or was not asked since it is away; of several the last one.
    /// It says when it is worth while to try again.
    pub away: Option<Circuit>,
    /// How long a server has asked to wait before it is asked again; nothing where none has.
    pub asked_to_wait: Duration,
    /// What it has collected.
    pub artifacts: Vec<outputs::Artifact>,
    /// What the event is about, where another object was found to have its name.
    pub replaced: Option<ObjectId>,
    /// Which objects were found, in this attempt and in those before it: what the next one has to find.
    pub learnt: Uids,
}

/// Holds a call to its deadline and its CPU budget.
struct Bounds {
    cpu: Arc<Mutex<CpuTime>>,
    deadline: Instant,
    limits: Limits,
}

/// The time that a call spent being polled.
#[derive(Default)]
struct CpuTime {
    /// What the polls before this one took.
    spent: Duration,
    /// When the poll that runs now began.
    polled_at: Option<Instant>,
    /// Which part of it was the host's own work.
    host: HostTime,
    /// Held while it computes for long.
    turn: Option<Turn>,
}

/// Passed through the engine as the cause of a trap.
#[derive(Debug, thiserror::Error)]
#[error("too much CPU time")]
struct TooMuchCpu;

/// Respond to an event.
///
/// `place` is held as long as it takes.
pub(super) async fn run(
    pre: &ExportsPre<State>,
    invocation: &Invocation,
    call: Call,
    place: Place,
    turns: &Turns,
) -> Result<CallOutput, CallError> {
    let (began, _running) = (Instant::now(), call.running());
    let (mut store, bounds) = enter(pre.engine(), call, Some(place), Some(turns.clone()));
    let run = async {
        let exports = pre.instantiate_async(&mut store).await?;
        exports.falco_talon_actionner_action().call_run(&mut store, invocation).await
    };
    let result = bounds.hold(run).await;
    let mut call = store.into_data().call;
    let learnt = call.learnt();
    if let Some(busy) = call.take_busy() {
        return Err(CallError::Busy { busy: Box::new(busy), learnt });
    }
    if result.is_ok() {
        call.ended(began.elapsed());
    }
    let (has_unknown_end, was_denied) = (call.has_unknown_end(), call.was_denied());
    let (away, asked_to_wait) = (call.away(), call.asked_to_wait());
    let result = match result? {
        // Another action was faster, and what it has left is no failure of this one.
        Err(Failure { message, objects, details, .. }) if call.was_outrun() && !has_unknown_end => {
            Ok(Outcome::Ignored(Report { message, objects, details }))
        }
        result => result,
    };
    let (artifacts, replaced) = call.into_output();
    Ok(CallOutput { result, has_unknown_end, was_denied, away, asked_to_wait, artifacts, replaced, learnt })
}

/// Ask a component to describe itself. `call` carries grants that allow nothing.
///
/// It may compute for as long as its limits say, and not wait: some toolchains wait for a moment while they begin.
pub(super) async fn describe(pre: &ExportsPre<State>, mut call: Call) -> Result<String, CallError> {
    // It was compiled first, which is not its own time.
    call.restart();
    let (mut store, bounds) = enter(pre.engine(), call, None, None);
    let describe = async {
        let exports = pre.instantiate_async(&mut store).await?;
        exports.falco_talon_actionner_action().call_describe(&mut store).await
    };
    match Waitless::new(pin!(bounds.hold(describe)), WAIT_MAX).await {
        Some(described) => described,
        None => Err(CallError::Waited(WAIT_MAX)),
    }
}

/// What has no place and no turns has its memory and its threads for itself.
fn enter(engine: &Engine, call: Call, place: Option<Place>, turns: Option<Turns>) -> (Store<State>, Bounds) {
    let limits = call.grants().limits.clone();
    let cpu = CpuTime { host: call.host_time().clone(), ..CpuTime::default() };
    let bounds = Bounds { cpu: Arc::new(Mutex::new(cpu)), deadline: call.deadline(), limits };
    let mut store = Store::new(engine, State::new(call, bounds.limits.memory_bytes_max, place));
    store.limiter(|state| &mut state.memory);
    store.set_hostcall_fuel(HOST_CALL_BYTES_MAX);
    store.set_max_component_handles(HANDLES_MAX);
    store.set_epoch_deadline(1);
    let cpu = bounds.cpu.clone();
    let (cpu_max, deadline) = (bounds.limits.cpu_max, bounds.deadline);
    store.epoch_deadline_callback(move |_| {
        let (turn, spent) = lock(&cpu).slice();
        drop(turn);
        if spent > cpu_max {
            return Err(TooMuchCpu.into());
        }
        // After its deadline nobody waits for it.
        if spent < EPOCH && Instant::now() < deadline {
            // It has only just begun.
            return Ok(UpdateDeadline::Continue(1));
        }
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(give_way(cpu.clone(), turns.clone()))))
    });
    (store, bounds)
}

/// Between slices others have this thread, sockets and timers too, and who computes for long takes turns.
async fn give_way(cpu: Arc<Mutex<CpuTime>>, turns: Option<Turns>) {
    yield_now().await;
    if let Some(turns) = turns {
        let turn = turns.take().await;
        lock(&cpu).turn = Some(turn);
    }
}

impl From<NoMemoryLeft> for CallError {
    fn from(NoMemoryLeft { bytes_max }: NoMemoryLeft) -> Self {
        Self::MemoryOfAll(bytes_max)
    }
}

impl Bounds {
    async fn hold<T>(&self, call: impl Future<Output = wasmtime::Result<T>>) -> Result<T, CallError> {
        match timeout_at(self.deadline, Metered { cpu: &self.cpu, call: pin!(call) }).await {
            Ok(result) => result.map_err(|error| self.convert_error(&error)),
            Err(_) => Err(CallError::Deadline(self.limits.deadline_max)),
        }
    }

    fn convert_error(&self, error: &wasmtime::Error) -> CallError {
        if error.is::<TooMuchCpu>() {
            return CallError::Cpu(self.limits.cpu_max);
        }
        if error.is::<TooMuchMemory>() {
            return CallError::Memory(self.limits.memory_bytes_max);
        }
        if let Some(NoMemoryLeft { bytes_max }) = error.downcast_ref() {
            return CallError::MemoryOfAll(*bytes_max);
        }
        if let Some(exhausted) = error.downcast_ref() {
            return match *exhausted {
                Exhausted::HostCalls(max) => CallError::HostCalls(max),
                Exhausted::Requests(max) => CallError::Requests(max),
                Exhausted::Cpu(max) => CallError::Cpu(max),
                Exhausted::Deadline(max) => CallError::Deadline(max),
            };
        }
        if let Some(I32Exit(code)) = error.downcast_ref() {
            return CallError::Exit(*code);
        }
        // The backtrace of a trap is of use to the author only, and long.
        match error.downcast_ref::<Trap>() {
            Some(trap) => CallError::Trap(trap.to_string()),
            // The engine has no type for this one.
            None if error.root_cause().to_string().contains("fuel allocated for hostcalls") => CallError::HostCallBytes,
            None => CallError::Trap(error.root_cause().to_string()),
        }
    }
}

/// Measures the polls of a call.
struct Metered<'a, F> {
    cpu: &'a Mutex<CpuTime>,
    call: Pin<&'a mut F>,
}

impl<F: Future> Future for Metered<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        lock(self.cpu).polled_at = Some(Instant::now());
        let poll = self.call.as_mut().poll(context);
        let mut cpu = lock(self.cpu);
        cpu.spent = cpu.total();
        cpu.polled_at = None;
        // What waits lets others compute.
        let turn = cpu.turn.take();
        drop(cpu);
        drop(turn);
        poll
    }
}

impl CpuTime {
    /// One slice is over: its turn, if it had one, and the guest's time so far.
    fn slice(&mut self) -> (Option<Turn>, Duration) {
        (self.turn.take(), self.of_guest())
    }

    fn of_guest(&self) -> Duration {
        self.total().saturating_sub(self.host.total())
    }

    fn total(&self) -> Duration {
        self.spent + self.polled_at.map_or(Duration::ZERO, |at| at.elapsed())
    }
}

/// Never contended, and consistent after each statement: the poll and what it polls take turns.
fn lock(cpu: &Mutex<CpuTime>) -> std::sync::MutexGuard<'_, CpuTime> {
    cpu.lock().unwrap_or_else(PoisonError::into_inner)
}
