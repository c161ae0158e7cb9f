//! As much of Markdown as the READMEs have: places for what is generated, blocks, code, links and headings.
//!
//! Knows nothing of what they are about.

use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

const BEGIN: &str = "<!-- What follows is written by `UPDATE_EXPECT=1 just test`. -->\n";
const END: &str = "<!-- End of what is written. -->";

/// The pages that are no README, and are held to the same.
const PAGES: [&str; 1] = ["THREAT-MODEL.md"];

/// A README, by its path from the top of the repository.
pub(crate) struct Document {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// A block of code between fences that begin a line.
pub(crate) struct Block {
    /// What stands behind the fence, e.g. `yaml`.
    pub(crate) info: String,
    pub(crate) text: String,
}

/// The top of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

impl Document {
    pub(crate) fn read(name: &str) -> Self {
        let text = fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        Self { name: name.to_owned(), text }
    }

    /// Every README of the repository, and the pages beside them.
    pub(crate) fn all() -> Vec<Self> {
        let mut found = Vec::new();
        let mut folders = vec![root()];
        while let Some(folder) = folders.pop() {
            for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                if path.is_dir() && name != "target" && !name.starts_with('.') {
                    folders.push(path);
                } else if name == "README.md" || PAGES.contains(&name.as_str()) {
                    found.push(Self::read(&path.strip_prefix(root()).unwrap().to_string_lossy()));
                }
            }
        }
        found
    }

    /// Hold what is generated to what it must be, place by place. `UPDATE_EXPECT=1` writes it there.
    pub(crate) fn hold(&self, expected: &[String]) {
        let mut parts = self.text.split(BEGIN);
        let mut written = parts.next().unwrap().to_owned();
        let parts: Vec<&str> = parts.collect();
        assert_eq!(parts.len(), expected.len(), "{}: so many places are generated", self.name);
        for (part, expected) in parts.into_iter().zip(expected) {
            let (_, after) = part.split_once(END).unwrap();
            written.push_str(&format!("{BEGIN}\n{}\n\n{END}{after}", expected.trim_end()));
        }
        if written != self.text && std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(root().join(&self.name), &written).unwrap();
        } else {
            assert!(written == self.text, "{} is out of date: run the tests with UPDATE_EXPECT=1", self.name);
        }
    }

    /// The text without what is generated.
    fn by_hand(&self) -> String {
        let generated = Regex::new(&format!("(?s){}.*?{}", regex::escape(BEGIN), regex::escape(END))).unwrap();
        generated.replace_all(&self.text, "").into_owned()
    }

    /// The sections that were written by hand, each with its blocks.
    pub(crate) fn sections(&self) -> Vec<Vec<Block>> {
        let fence = Regex::new(r"(?ms)^```([^\n]*)\n(.*?)^```$").unwrap();
        let block = |found: regex::Captures<'_>| Block { info: found[1].to_owned(), text: found[2].to_owned() };
        self.by_hand().split("\n## ").map(|section| fence.captures_iter(section).map(block).collect()).collect()
    }

    /// The lines that are prose, without the code among their words.
    fn prose(&self) -> Vec<String> {
        let code = Regex::new("`[^`]*`").unwrap();
        self.lines().filter(|(_, is_code)| !is_code).map(|(line, _)| code.replace_all(line, "").into_owned()).collect()
    }

    /// Each line, and whether all of it is code.
    fn lines(&self) -> impl Iterator<Item = (&str, bool)> {
        let mut is_fenced = false;
        self.text.lines().map(move |line| {
            let is_fence = line.trim_start().starts_with("```");
            is_fenced ^= is_fence;
            (line, is_fenced || is_fence || line.starts_with("    "))
        })
    }

    /// Everything that is code: whole lines, and words in backquotes.
    pub(crate) fn code(&self) -> Vec<String> {
        let span = Regex::new("`([^`]+)`").unwrap();
        let of_line = |(line, is_code): (&str, bool)| -> Vec<String> {
            if is_code {
                return vec![line.trim().to_owned()];
            }
            span.captures_iter(line).map(|found| found[1].to_owned()).collect()
        };
        self.lines().flat_map(of_line).collect()
    }

    /// Where its links lead, those to other sites aside.
    pub(crate) fn links(&self) -> Vec<String> {
        let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
        let targets = self
            .prose()
            .into_iter()
            .flat_map(|line| link.captures_iter(&line).map(|found| found[1].to_owned()).collect::<Vec<_>>());
        targets.filter(|target| !target.contains("://")).collect()
    }

    /// The names by which links lead to its headings.
    fn anchors(&self) -> Vec<String> {
        let headings = self.lines().filter(|(line, is_code)| line.starts_with('#') && !is_code);
        let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
        let anchor = |text: &str| text.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-");
        headings.map(|(line, _)| anchor(line.trim_start_matches('#').trim())).collect()
    }

    /// Whether a link leads somewhere.
    pub(crate) fn leads(&self, link: &str) -> bool {
        let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
        let target = match path {
            "" => root().join(&self.name),
            path => root().join(&self.name).parent().unwrap().join(path),
        };
        if anchor.is_empty() {
            return target.exists();
        }
        let Ok(text) = fs::read_to_string(&target) else { return false };
        Self { name: String::new(), text }.anchors().iter().any(|known| known == anchor)
    }
}
