//! The store beside a simple model of it in memory: whatever is asked of both, and wherever the process ends between
//! two steps, they say the same.

use std::collections::HashSet;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

const ENTRIES_MAX: usize = 6;

const IN_FLIGHT_MAX: usize = 3;

/// Something that is asked of a store. Numbers choose among what there is.
#[derive(Debug, Clone)]
enum Ask {
    /// Of the events of one fingerprint; none for 0.
    Accept(u8),
    Next,
    Begin {
        which: usize,
        is_repeatable: bool,
    },
    Attempted {
        which: usize,
        has_learnt: bool,
    },
    End {
        which: usize,
        succeeded: bool,
    },
    Finish {
        which: usize,
        outcome: Outcome,
    },
    Leave(usize),
    Postpone(usize),
    Resume,
    Forget(u8),
    /// End the process without a word, and start another one.
    Crash,
}

fn ask() -> impl Strategy<Value = Ask> {
    let which = 0..IN_FLIGHT_MAX;
    prop_oneof![
        6 => (0_u8..8).prop_map(Ask::Accept),
        5 => Just(Ask::Next),
        6 => (which.clone(), any::<bool>()).prop_map(|(which, is_repeatable)| Ask::Begin { which, is_repeatable }),
        2 => (which.clone(), any::<bool>()).prop_map(|(which, has_learnt)| Ask::Attempted { which, has_learnt }),
        3 => (which.clone(), any::<bool>()).prop_map(|(which, succeeded)| Ask::End { which, succeeded }),
        2 => (which.clone(), prop_oneof![Just(Outcome::Done), Just(Outcome::Dead)])
            .prop_map(|(which, outcome)| Ask::Finish { which, outcome }),
        1 => which.clone().prop_map(Ask::Leave),
        2 => which.prop_map(Ask::Postpone),
        1 => Just(Ask::Resume),
        1 => (1_u8..8).prop_map(Ask::Forget),
        2 => Just(Ask::Crash),
    ]
}

/// Where an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Waiting,
    Taken,
    Postponed,
    Left,
    Ended(Outcome),
}

/// What the store should know of an entry.
#[derive(Debug)]
struct Known {
    place: Place,
    fingerprint: u8,
    progress: Vec<Progress>,
    /// Whether the step that runs was begun in this life of the process.
    is_suspect: bool,
    crashes: u32,
}

/// What a store should be.
#[derive(Debug, Default)]
struct Model {
    /// In the order of arrival; the place of each names it.
    entries: Vec<Known>,
    seen: HashSet<u8>,
}

impl Model {
    fn count(&self, is_one: impl Fn(Place) -> bool) -> usize {
        self.entries.iter().filter(|entry| is_one(entry.place)).count()
    }

    fn accept(&mut self, fingerprint: u8) -> Result<Acceptance, Refused> {
        if self.seen.contains(&fingerprint) {
            return Ok(Acceptance::Duplicate);
        }
        if self.count(|place| !matches!(place, Place::Ended(_))) >= ENTRIES_MAX {
            return Err(Refused::Full);
        }
        if fingerprint > 0 {
            self.seen.insert(fingerprint);
        }
        let (place, progress) = (Place::Waiting, Vec::new());
        self.entries.push(Known { place, fingerprint, progress, is_suspect: false, crashes: 0 });
        Ok(Acceptance::Stored(EntryId(i64::try_from(self.entries.len()).unwrap())))
    }

    /// The process ends, and the next one looks. How many entries wait then, and how many are poisoned.
    fn crash(&mut self) -> (usize, usize) {
        let mut poisoned = 0;
        for entry in &mut self.entries {
            if let Place::Ended(_) = entry.place {
                continue;
            }
            entry.place = Place::Waiting;
            entry.crashes += u32::from(std::mem::take(&mut entry.is_suspect));
            if entry.crashes >= 2 {
                entry.place = Place::Ended(Outcome::Dead);
                poisoned += 1;
            }
        }
        // What is forgotten is remembered again, for as long as the window is.
        self.seen = self.entries.iter().map(|entry| entry.fingerprint).filter(|it| *it > 0).collect();
        (self.count(|place| place == Place::Waiting), poisoned)
    }
}

/// A store, the model of it, and what was taken from both, by the place in the model.
struct Pair {
    folder: TempDir,
    store: Store,
    model: Model,
    taken: Vec<(usize, Arc<Entry>)>,
    /// Whether memory is so scarce that only one is handled at once.
    is_scarce: bool,
}

impl Pair {
    fn new(is_scarce: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(folder.path(), of(is_scarce), &silent()).unwrap();
        Self { folder, store, model: Model::default(), taken: Vec::new(), is_scarce }
    }

    async fn ask(&mut self, ask: &Ask) {
        match *ask {
            Ask::Accept(fingerprint) => {
                let name = self.model.entries.len().to_string();
                let of_event = Some([fingerprint; 32]).filter(|_| fingerprint > 0);
                let accepted = self.store.accept(Arrival { fingerprint: of_event, ..arrival(&name) }).await;
                assert_eq!(accepted, self.model.accept(fingerprint));
            }
            Ask::Next => self.next().await,
            Ask::Begin { which, is_repeatable } => self.begin(which, is_repeatable).await,
            Ask::Attempted { which, has_learnt } => self.attempted(which, has_learnt),
            Ask::End { which, succeeded } => self.end(which, succeeded),
            Ask::Finish { which, outcome } => {
                if let Some((at, entry)) = self.take(which) {
                    self.store.finish(&entry, outcome, "so it is");
                    self.model.entries[at].place = Place::Ended(outcome);
                }
            }
            Ask::Leave(which) => {
                if let Some((at, entry)) = self.take(which) {
                    self.store.leave(entry.id);
                    self.model.entries[at].place = Place::Left;
                }
            }
            Ask::Postpone(which) => {
                if let Some((at, entry)) = self.take(which) {
                    self.store.postpone(entry.id);
                    self.model.entries[at].place = Place::Postponed;
                }
            }
            Ask::Resume => {
                self.store.resume();
                for entry in self.model.entries.iter_mut().filter(|entry| entry.place == Place::Postponed) {
                    entry.place = Place::Waiting;
                }
            }
            Ask::Forget(fingerprint) => {
                self.store.forget([fingerprint; 32]);
                self.model.seen.remove(&fingerprint);
            }
            Ask::Crash => self.crash().await,
        }
    }

    fn take(&mut self, which: usize) -> Option<(usize, Arc<Entry>)> {
        (!self.taken.is_empty()).then(|| self.taken.swap_remove(which % self.taken.len()))
    }

    async fn next(&mut self) {
        let most = if self.is_scarce { 1 } else { IN_FLIGHT_MAX };
        let waiting = self.model.entries.iter().position(|entry| entry.place == Place::Waiting);
        let Some(at) = waiting.filter(|_| self.taken.len() < most) else { return };
        let (entry, known) = (next(&self.store).await, &mut self.model.entries[at]);
        assert_eq!((&entry.event.rule, entry.crashes), (&at.to_string(), known.crashes));
        assert_eq!(entry.progress, known.progress);
        known.place = Place::Taken;
        self.taken.push((at, entry));
    }

    async fn begin(&mut self, which: usize, is_repeatable: bool) {
        if self.taken.is_empty() {
            return;
        }
        let (at, entry) = &self.taken[which % self.taken.len()];
        let known = &mut self.model.entries[*at];
        if known.progress.last().is_none_or(|last| last.status.is_some()) {
            let step = step(&format!("action {}", known.progress.len()), is_repeatable);
            known.progress.push(Progress {
                step,
                attempts: 0,
                is_running: false,
                tried: Duration::ZERO,
                learnt: None,
                was_unknown: false,
                status: None,
                is_last: false,
                rest: Duration::ZERO,
            });
        }
        let number = u32::try_from(known.progress.len() - 1).unwrap();
        let current = known.progress.last_mut().unwrap();
        current.step.is_repeatable = is_repeatable;
        current.attempts += 1;
        (current.is_running, known.is_suspect) = (true, true);
        if is_repeatable {
            self.store.begin(entry.id, number, &current.step, current.attempts);
        } else {
            self.store.begin_synced(entry.id, number, &current.step, current.attempts).await.unwrap();
        }
    }

    /// The step of a taken entry that runs, and its number.
    fn running(&mut self, which: usize) -> Option<(EntryId, u32, &mut Progress)> {
        let (at, entry) = self.taken.get(which % self.taken.len().max(1))?;
        let known = &mut self.model.entries[*at];
        let number = u32::try_from(known.progress.len()).unwrap().checked_sub(1)?;
        let current = known.progress.last_mut().filter(|last| last.is_running)?;
        known.is_suspect = false;
        Some((entry.id, number, current))
    }

    fn attempted(&mut self, which: usize, has_learnt: bool) {
        let store = self.store.clone();
        let Some((id, number, current)) = self.running(which) else { return };
        let learnt = has_learnt.then(|| format!("by {}", current.attempts));
        current.tried += Duration::from_millis(3);
        current.is_running = false;
        current.learnt = learnt.clone().or(current.learnt.take());
        current.was_unknown |= has_learnt;
        let (attempts, tried, was_unknown) = (current.attempts, current.tried, current.was_unknown);
        store.attempted(
            id,
            number,
            Attempted { attempts, tried, rest: Duration::ZERO, message: "away".to_owned(), learnt, was_unknown },
        );
    }

    fn end(&mut self, which: usize, succeeded: bool) {
        let store = self.store.clone();
        let Some((id, number, current)) = self.running(which) else { return };
        let status = if succeeded { "success" } else { "failure" };
        current.is_running = false;
        current.status = Some(status.to_owned());
        store.end(id, number, ended(status));
    }

    /// Go on with what the system has of the files at this moment.
    async fn crash(&mut self) {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (self.folder.path().join("store"), folder.path().join("store"));
        let copy = move || {
            use std::os::unix::fs::DirBuilderExt;
            std::fs::DirBuilder::new().mode(0o700).create(&to).unwrap();
            for file in std::fs::read_dir(from).unwrap() {
                let file = file.unwrap();
                std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
            }
        };
        // By the thread that writes, so that it writes nothing meanwhile.
        let (done, copied) = oneshot::channel();
        let ask = move |_: &mut Connection| {
            copy();
            let _ = done.send(());
        };
        self.store.ask(Command::Ask(Box::new(ask)));
        copied.await.unwrap();
        self.taken.clear();
        let (store, found) = Store::open(folder.path(), of(self.is_scarce), &silent()).unwrap();
        (self.store, self.folder) = (store, folder);
        assert_eq!((found.waiting, found.poisoned.len()), self.model.crash());
        assert_eq!(found.damage, None);
    }

    /// What is counted is what is there.
    async fn check(&self) {
        // What is said after a group is there after the next one.
        written(&self.store).await;
        written(&self.store).await;
        let counts = self.store.counts();
        let count = |is_one: fn(Place) -> bool| self.model.count(is_one);
        assert_eq!(counts.waiting, count(|place| matches!(place, Place::Waiting | Place::Postponed | Place::Left)));
        assert_eq!(counts.in_flight, count(|place| place == Place::Taken));
        let states = column(&self.store, "SELECT CAST(state AS TEXT) FROM entry ORDER BY id").await;
        let expected = self.model.entries.iter().map(|entry| match entry.place {
            Place::Ended(Outcome::Done) => "1",
            Place::Ended(Outcome::Dead) => "2",
            Place::Waiting | Place::Taken | Place::Postponed | Place::Left => "0",
        });
        assert_eq!(states, expected.collect::<Vec<_>>());
        assert_eq!(counts.dead, count(|place| place == Place::Ended(Outcome::Dead)));
        let sum = "SELECT CAST(coalesce(sum(bytes), 0) AS TEXT) FROM entry WHERE state = 0";
        assert_eq!(counts.stored_bytes.to_string(), column(&self.store, sum).await[0]);
    }
}

fn of(is_scarce: bool) -> Settings {
    let loaded_bytes_max = if is_scarce { 1 } else { 1 << 30 };
    let limits = Limits { entries_max: ENTRIES_MAX, in_flight_max: IN_FLIGHT_MAX, loaded_bytes_max, ..LIMITS };
    Settings { limits, ..settings() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn is_what_a_simple_model_is(is_scarce: bool, asks in proptest::collection::vec(ask(), 0..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut pair = Pair::new(is_scarce);
            for ask in &asks {
                pair.ask(ask).await;
                pair.check().await;
            }
        });
    }
}
