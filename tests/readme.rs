//! The README's catalogue is what the components say of themselves. `UPDATE_EXPECT=1` rewrites it.

use std::fs;

use host::cli::catalogue;

use crate::data::loader;

const BEGIN: &str = "<!-- What follows is written by `UPDATE_EXPECT=1 just test`. -->\n";
const END: &str = "<!-- End of what is written. -->";

#[tokio::test]
async fn the_catalogue_is_what_the_components_say() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    let readme = fs::read_to_string(path).unwrap();
    let (before, rest) = readme.split_once(BEGIN).unwrap();
    let (written, after) = rest.split_once(END).unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rules.yaml"), "[]").unwrap();
    let loader = loader(folder.path());
    let (inspections, problems) = loader.inspect(|_| true).await;
    assert!(problems.is_empty(), "{problems:?}");
    let policy = loader.policy().unwrap_or_else(|problems| panic!("{problems:?}"));
    let catalogue = format!("\n{}\n", catalogue::markdown(&inspections, &policy));
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(path, format!("{before}{BEGIN}{catalogue}{END}{after}")).unwrap();
    } else {
        assert!(written == catalogue, "the README's catalogue is out of date: run the tests with UPDATE_EXPECT=1");
    }
}
