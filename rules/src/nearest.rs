//! The valid name that the author of a wrong one most likely meant: one place for all messages.

/// How a message goes on after a wrong name: with the nearest valid one, or with all of them where
/// none is near.
pub fn hint<'a>(wrong: &str, valid: impl IntoIterator<Item = &'a str>) -> String {
    let valid: Vec<&str> = valid.into_iter().collect();
    let meant = suggestion(wrong, valid.iter().copied());
    if meant.is_empty() && !valid.is_empty() {
        return format!("; valid: {}", valid.join(", "));
    }
    meant
}

/// How a message goes on after a wrong name where there are too many valid ones to list.
pub fn suggestion<'a>(wrong: &str, valid: impl IntoIterator<Item = &'a str>) -> String {
    nearest(wrong, valid).map_or(String::new(), |name| format!("; did you mean '{name}'?"))
}

/// "; valid are `b`, `a`", the nearest to what was written first.
pub fn valid_names(written: &str, names: &[&str]) -> String {
    let mut names = names.to_vec();
    // All of them are ranked here, far ones too, and for that a common beginning counts most.
    let likeness = |name: &str| strsim::jaro_winkler(written, name);
    names.sort_by(|a, b| likeness(b).total_cmp(&likeness(a)));
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    format!("; valid are {}", names.join(", "))
}

/// The nearest of the valid names, if one is near.
fn nearest<'a>(wrong: &str, valid: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let measured = valid.into_iter().map(|name| (Nearness::of(wrong, name), name));
    let (nearness, name) = measured.min_by_key(|(nearness, _)| *nearness)?;
    (!nearness.is_far).then_some(name)
}

/// How near a valid name is to a wrong one: the least is the nearest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Nearness {
    is_far: bool,
    /// Typing errors between the two.
    distance: usize,
}

impl Nearness {
    /// Letter case and punctuation don't count.
    fn of(wrong: &str, name: &str) -> Nearness {
        let plain = |text: &str| -> String {
            let letters = text.chars().filter(|char| char.is_alphanumeric());
            letters.flat_map(char::to_lowercase).collect()
        };
        let last = |path: &str| plain(path.rsplit('.').next().unwrap_or(path));
        let distance_of_last = 1 + strsim::damerau_levenshtein(&last(wrong), &last(name));
        let (wrong, name) = (plain(wrong), plain(name));
        // Of a path with dots, the right key in the wrong place is near too.
        let distance = strsim::damerau_levenshtein(&wrong, &name).min(distance_of_last);
        // A part of a name is nearer than any number of typing errors: `contexts` means
        // `additional_contexts`, `gracePeriods` means `grace_period_seconds`.
        let root = wrong.strip_suffix('s').filter(|root| root.len() >= 4).unwrap_or(&wrong);
        let is_part = root.len() >= 4 && name.contains(root) || root.len() >= 3 && name.starts_with(root);
        Nearness { is_far: !is_part && distance > 1 + wrong.chars().count() / 4, distance }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(wrong: &str, valid: &[&str], expected: Option<&str>) {
        assert_eq!(nearest(wrong, valid.iter().copied()), expected, "{wrong}");
    }

    #[test]
    fn the_meant_name_is_found() {
        let keys = ["action", "actionner", "additional_contexts", "continue", "output", "parameters"];
        check("contexts", &keys, Some("additional_contexts"));
        check("actioner", &keys, Some("actionner"));
        check("Parameters", &keys, Some("parameters"));
        check("labels", &keys, None);
        check("k8s", &["aws", "k8snode"], Some("k8snode"));

        let parameters = ["grace_period_seconds", "ignore_daemonsets", "ignore_statefulsets"];
        check("gracePeriods", &parameters, Some("grace_period_seconds"));
        check("ignoreDaemonsets", &parameters, Some("ignore_daemonsets"));

        let actionners = ["kubernetes:label", "kubernetes:delete", "aws:lambda"];
        check("kubernetes:labelize", &actionners, Some("kubernetes:label"));
        check("foor:bar", &actionners, None);
    }

    #[test]
    fn the_right_key_is_found_in_the_wrong_place() {
        let keys = ["listen_port", "deduplication.time_window_seconds", "queue.events_max", "server.body_bytes_max"];
        check("listen_prot", &keys, Some("listen_port"));
        check("server.listen_prot", &keys, Some("listen_port"));
        check("time_window_seconds", &keys, Some("deduplication.time_window_seconds"));
        check("queue.event_max", &keys, Some("queue.events_max"));
        check("completely_different", &keys, None);
    }

    #[test]
    fn valid_names_begin_with_the_nearest() {
        let names = ["create", "delete", "get", "patch"];
        assert_eq!(valid_names("gett", &names), "; valid are `get`, `create`, `delete`, `patch`");
        assert_eq!(valid_names("patches", &names), "; valid are `patch`, `create`, `get`, `delete`");
    }
}
