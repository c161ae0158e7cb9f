//! Grants of functions: what they may say.

use super::*;

#[test]
fn functions_have_a_provider_and_names_of_its_kind() {
    check_grant_of(
        "functions",
        "{provider: azure, name: [a]}",
        &expect![[r#"
        policy.yaml:4:20: `azure` is not one of `provider`; valid are `aws`, `gcp`
        policy.yaml:4:27: `name` is not a key here; valid are `names`, `provider`, `locations`"#]],
    );
    check_grant_of(
        "functions",
        "{names: [a]}",
        &expect!["policy.yaml:4:9: `provider` is missing: a grant names what it allows"],
    );
    check_grant_of(
        "functions",
        "{provider: aws, names: [a/b, '*', team*], locations: [eu-west-1]}",
        &expect![[r#"
        policy.yaml:4:33: `a/b`: a function of Lambda is a name or an ARN: letters, digits, `-`, `_`, `.` and `:` only
        policy.yaml:4:38: `*` is not a name: to mean all, leave the key out
        policy.yaml:4:43: `team*` is not a name: write it exactly, or as a prefix that ends at a sign, such as `team-*`
        policy.yaml:4:62: `locations` are those of Google: a function of Lambda lies in the region of the host"#]],
    );
    check_grant_of(
        "functions",
        "{provider: gcp, names: ['arn:aws:lambda'], locations: [Europe]}",
        &expect![[r#"
        policy.yaml:4:33: `arn:aws:lambda`: a function of Google is named by letters, digits, `-` and `_` only
        policy.yaml:4:64: `Europe`: a location is written as `europe-west1`"#]],
    );
    check_grant_of(
        "functions",
        "{provider: aws, names: []}",
        &expect!["policy.yaml:4:32: `names` is empty: name something, or leave it out"],
    );
}
