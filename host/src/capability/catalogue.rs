//! Every function that an actionner can import, and what kind it is of, but for `log.write`, whose record is its line.
//!
//! A function goes in by the gate and out by a close under its entry here, and a test holds these entries against the
//! contract: so that one without gate, meter and end is a failing test.

/// A function of the contract, as the audit record and metrics name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Capability {
    ArtifactCreate,
    ArtifactWrite,
    ClockNow,
    ClockPause,
    InvokeGoogle,
    InvokeLambda,
    HttpSend,
    Exec,
    ExecInto,
    Discover,
    Get,
    List,
    Logs,
    LogsInto,
    Wait,
    WaitDeleted,
    Apply,
    Create,
    Delete,
    Evict,
    Patch,
    ObjectGet,
    ObjectPut,
}

/// What a function does outside of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing: it is the host's own.
    Own,
    /// It sends requests that change nothing.
    Read,
    /// It sends requests that may have been carried out although no answer came.
    Write,
}

impl Capability {
    /// The interface and the function, e.g. `kubernetes-read.get`.
    pub(super) const fn name(self) -> &'static str {
        self.entry().0
    }

    /// What it does outside of the host.
    pub(super) const fn effect(self) -> Effect {
        self.entry().1
    }

    /// Whether it changes an object of the cluster itself, and not what runs in it.
    pub(super) const fn changes_object(self) -> bool {
        matches!(self, Self::Apply | Self::Create | Self::Delete | Self::Evict | Self::Patch)
    }

    const fn entry(self) -> (&'static str, Effect) {
        match self {
            Self::ArtifactCreate => ("artifacts.create", Effect::Own),
            Self::ArtifactWrite => ("artifacts.write", Effect::Own),
            Self::ClockNow => ("clock.now", Effect::Own),
            Self::ClockPause => ("clock.pause", Effect::Own),
            Self::InvokeGoogle => ("functions.invoke-google", Effect::Write),
            Self::InvokeLambda => ("functions.invoke-lambda", Effect::Write),
            Self::HttpSend => ("http.send", Effect::Write),
            Self::Exec => ("kubernetes-exec.exec", Effect::Write),
            Self::ExecInto => ("kubernetes-exec.exec-into", Effect::Write),
            Self::Discover => ("kubernetes-read.discover", Effect::Read),
            Self::Get => ("kubernetes-read.get", Effect::Read),
            Self::List => ("kubernetes-read.list", Effect::Read),
            Self::Logs => ("kubernetes-read.logs", Effect::Read),
            Self::LogsInto => ("kubernetes-read.logs-into", Effect::Read),
            Self::Wait => ("kubernetes-read.wait", Effect::Read),
            Self::WaitDeleted => ("kubernetes-read.wait-deleted", Effect::Read),
            Self::Apply => ("kubernetes-write.apply", Effect::Write),
            Self::Create => ("kubernetes-write.create", Effect::Write),
            Self::Delete => ("kubernetes-write.delete", Effect::Write),
            Self::Evict => ("kubernetes-write.evict", Effect::Write),
            Self::Patch => ("kubernetes-write.patch", Effect::Write),
            Self::ObjectGet => ("objects.get", Effect::Read),
            Self::ObjectPut => ("objects.put", Effect::Write),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use wit_parser::Resolve;

    use super::*;

    const ALL: [Capability; 23] = [
        Capability::ArtifactCreate,
        Capability::ArtifactWrite,
        Capability::ClockNow,
        Capability::ClockPause,
        Capability::InvokeGoogle,
        Capability::InvokeLambda,
        Capability::HttpSend,
        Capability::Exec,
        Capability::ExecInto,
        Capability::Discover,
        Capability::Get,
        Capability::List,
        Capability::Logs,
        Capability::LogsInto,
        Capability::Wait,
        Capability::WaitDeleted,
        Capability::Apply,
        Capability::Create,
        Capability::Delete,
        Capability::Evict,
        Capability::Patch,
        Capability::ObjectGet,
        Capability::ObjectPut,
    ];

    /// The functions of the contract that a component can import.
    fn of_the_contract() -> Vec<String> {
        let mut resolve = Resolve::default();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
        let (package, _) = resolve.push_dir(&folder).unwrap();
        let interfaces = resolve.packages[package].interfaces.iter().filter(|(name, _)| *name != "action");
        let mut names = Vec::new();
        for (interface, id) in interfaces {
            for function in resolve.interfaces[*id].functions.keys() {
                let name = function.rsplit(['.', ']']).next().unwrap();
                names.push(format!("{interface}.{name}"));
            }
        }
        names.retain(|name| name != "log.write");
        names.sort();
        names
    }

    #[test]
    fn each_function_of_the_contract_has_its_entry() {
        assert_eq!(of_the_contract(), ALL.map(|capability| capability.name().to_owned()));
        for capability in ALL {
            let expected = match capability.name().split_once('.').unwrap() {
                ("kubernetes-read", _) | ("objects", "get") => Effect::Read,
                ("artifacts" | "clock", _) => Effect::Own,
                _ => Effect::Write,
            };
            assert_eq!(capability.effect(), expected, "{}", capability.name());
            assert_eq!(capability.changes_object(), capability.name().starts_with("kubernetes-write."));
        }
    }
}
