//! The valid name that the author of a wrong one most likely meant.

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
    let valid: Vec<&str> = valid.into_iter().collect();
    nearest(wrong, &valid).map_or(String::new(), |name| format!("; did you mean '{name}'?"))
}

/// "; valid are `b`, `a`", the nearest to what was written first.
pub fn valid_names(written: &str, names: &[&str]) -> String {
    let mut names = names.to_vec();
    names.sort_by(|a, b| {
        let (near_a, near_b) = (strsim::jaro_winkler(written, a), strsim::jaro_winkler(written, b));
        near_b.total_cmp(&near_a)
    });
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    format!("; valid are {}", names.join(", "))
}

/// The nearest of the valid names, if one is near.
fn nearest<'a>(wrong: &str, valid: &[&'a str]) -> Option<&'a str> {
    let plain = |name: &str| -> String {
        let letters = name.chars().filter(|char| char.is_alphanumeric());
        letters.flat_map(char::to_lowercase).collect()
    };
    let wrong = plain(wrong);
    // A part of a name is nearer than any number of typing errors: `contexts` means
    // `additional_contexts`, `gracePeriods` means `grace_period_seconds`.
    let is_part = |name: &str| {
        let name = plain(name);
        let root = wrong.strip_suffix('s').filter(|root| root.len() >= 4).unwrap_or(&wrong);
        root.len() >= 4 && name.contains(root) || root.len() >= 3 && name.starts_with(root)
    };
    valid
        .iter()
        .map(|name| (strsim::damerau_levenshtein(&wrong, &plain(name)), *name))
        .filter(|(distance, name)| *distance <= 1 + wrong.chars().count() / 4 || is_part(name))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(wrong: &str, valid: &[&str], expected: Option<&str>) {
        assert_eq!(nearest(wrong, valid), expected, "{wrong}");
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
}
