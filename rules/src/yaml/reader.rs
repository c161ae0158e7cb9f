//! Builds the tree from the parser's events, within limits.

use std::collections::HashMap;
use std::sync::Arc;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

use super::{Content, Entry, Kind, Node, Scalar};
use crate::diagnostic::{Context, Findings};
use crate::{Position, Source};

/// Rule files need a handful of levels; the tree is walked by recursion.
const DEPTH_MAX: usize = 64;

/// What aliases may unfold to in one file. Without it a few lines could fill the memory.
const ALIAS_BYTES_MAX: usize = 16 << 20;
const NODE_BYTES: usize = 128;

/// Reads all documents of a file. Nothing if the file is no YAML; what can be told apart from that
/// is found in one go.
pub(crate) fn read(source: &Source, findings: &mut Findings) -> Option<Vec<Node>> {
    let mut reader = Reader {
        parser: Parser::new_from_str_with_options(&source.text, granit_parser::options! { emit_comments: false }),
        file: Arc::from(source.path.as_str()),
        anchors: HashMap::new(),
        alias_bytes: 0,
        findings,
    };
    match reader.documents() {
        Ok(documents) => Some(documents),
        Err(problem) => {
            reader.complain(&problem.at, &problem.text);
            None
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    file: Arc<str>,
    anchors: HashMap<usize, Anchored>,
    alias_bytes: usize,
    findings: &'a mut Findings,
}

struct Anchored {
    node: Node,
    bytes: usize,
    depth: usize,
}

/// What makes it impossible to read on.
struct Problem {
    at: Position,
    text: String,
}

/// A node with what it weighs, for the limits on aliases.
struct Weighed {
    node: Node,
    bytes: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn documents(&mut self) -> Result<Vec<Node>, Problem> {
        let mut documents = Vec::new();
        while let Some((event, span)) = self.next()? {
            match event {
                Event::Scalar(..) | Event::SequenceStart(..) | Event::MappingStart(..) | Event::Alias(_) => {
                    documents.push(self.node(event, span, 0)?.node);
                }
                // Anchors are known within their document only.
                Event::DocumentEnd => self.anchors.clear(),
                _ => {}
            }
        }
        Ok(documents)
    }

    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, Problem> {
        self.parser
            .next_event()
            .transpose()
            .map_err(|error: ScanError| Problem { at: self.position(*error.marker()), text: error.info() })
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Weighed, Problem> {
        let at = self.position(span.start);
        if depth > DEPTH_MAX {
            let text = format!("more than {DEPTH_MAX} levels of lists and maps");
            return Err(Problem { at, text });
        }
        let (anchor, weighed) = match event {
            Event::Scalar(text, style, anchor, tag) => (anchor, self.scalar(at, &text, style, tag.as_deref(), span)),
            Event::SequenceStart(_, anchor, tag) => {
                self.check_collection_tag(&at, tag.as_deref());
                (anchor, self.list(at, depth)?)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.check_collection_tag(&at, tag.as_deref());
                (anchor, self.map(at, depth)?)
            }
            Event::Alias(anchor) => return self.alias(at, anchor, depth),
            _ => {
                let text = "a value is missing here".to_owned();
                return Err(Problem { at, text });
            }
        };
        if anchor != 0 {
            let Weighed { node, bytes, depth } = &weighed;
            let anchored = Anchored { node: node.clone(), bytes: *bytes, depth: *depth };
            self.anchors.insert(anchor, anchored);
        }
        Ok(weighed)
    }

    fn scalar(&mut self, at: Position, text: &str, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Weighed {
        let plain = Kind::of_plain(text);
        let kind = match (tag.map(|tag| (tag, tag.core_suffix())), style) {
            (None, ScalarStyle::Plain) => plain,
            (None, _) | (Some((_, Some("str"))), _) => Kind::Text,
            (Some((tag, _)), _) => {
                self.complain(&at, &format!("the tag '{}' is not supported", tag.original()));
                Kind::Text
            }
        };
        let quotes = match style {
            ScalarStyle::Plain => Some(0),
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Some(1),
            _ => None,
        };
        let inset = quotes.filter(|quotes| {
            let written = span.end.index() - span.start.index();
            span.start.line() == span.end.line() && written == text.chars().count() + 2 * quotes
        });
        let scalar = Scalar { text: Arc::from(text), kind, inset: inset.and_then(|inset| u32::try_from(inset).ok()) };
        let node = Node { at, content: Content::Scalar(scalar) };
        Weighed { node, bytes: NODE_BYTES + text.len(), depth: 1 }
    }

    fn list(&mut self, at: Position, depth: usize) -> Result<Weighed, Problem> {
        let (mut items, mut bytes, mut deepest) = (Vec::new(), NODE_BYTES, 0);
        while let Some((event, span)) = self.next()? {
            if event == Event::SequenceEnd {
                break;
            }
            let item = self.node(event, span, depth + 1)?;
            bytes += item.bytes;
            deepest = deepest.max(item.depth);
            items.push(item.node);
        }
        let node = Node { at, content: Content::List(items) };
        Ok(Weighed { node, bytes, depth: deepest + 1 })
    }

    fn map(&mut self, at: Position, depth: usize) -> Result<Weighed, Problem> {
        let (mut entries, mut merged) = (Vec::<Entry>::new(), Vec::new());
        let (mut bytes, mut deepest) = (NODE_BYTES, 0);
        let mut known = HashMap::<Arc<str>, Position>::new();
        while let Some((event, span)) = self.next()? {
            if event == Event::MappingEnd {
                break;
            }
            let is_merge = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, ..) if text == "<<");
            let key = self.node(event, span, depth + 1)?;
            let Some((event, span)) = self.next()? else {
                break;
            };
            let value = self.node(event, span, depth + 1)?;
            bytes += key.bytes + value.bytes;
            deepest = deepest.max(value.depth);
            if is_merge {
                merged.push(value.node);
                continue;
            }
            let Content::Scalar(scalar) = key.node.content else {
                self.complain(&key.node.at, "a key must be a text");
                continue;
            };
            if let Some(first) = known.get(&scalar.text) {
                let text = format!("the key '{}' is there twice, first at {first}", scalar.text);
                self.complain(&key.node.at, &text);
                continue;
            }
            known.insert(Arc::clone(&scalar.text), key.node.at.clone());
            entries.push(Entry { key: scalar.text, at: key.node.at, value: value.node });
        }
        for node in merged {
            self.merge(node, &mut entries);
        }
        let node = Node { at, content: Content::Map(entries) };
        Ok(Weighed { node, bytes, depth: deepest + 1 })
    }

    /// `<<:` adds what the map does not say itself; of a list of maps the first that says it.
    fn merge(&mut self, node: Node, entries: &mut Vec<Entry>) {
        match node.content {
            Content::Map(added) => {
                for entry in added {
                    if !entries.iter().any(|known| known.key == entry.key) {
                        entries.push(entry);
                    }
                }
            }
            Content::List(maps) if maps.iter().all(|map| matches!(map.content, Content::Map(_))) => {
                for map in maps {
                    self.merge(map, entries);
                }
            }
            _ => self.complain(&node.at, "'<<' needs a map or a list of maps"),
        }
    }

    fn alias(&mut self, at: Position, anchor: usize, depth: usize) -> Result<Weighed, Problem> {
        let Some(anchored) = self.anchors.get(&anchor) else {
            let text = "an alias within what it stands for".to_owned();
            return Err(Problem { at, text });
        };
        self.alias_bytes += anchored.bytes;
        if self.alias_bytes > ALIAS_BYTES_MAX || depth + anchored.depth > DEPTH_MAX {
            let text = "the aliases of this file unfold to too much".to_owned();
            return Err(Problem { at, text });
        }
        Ok(Weighed { node: anchored.node.clone(), bytes: anchored.bytes, depth: anchored.depth })
    }

    fn check_collection_tag(&mut self, at: &Position, tag: Option<&Tag>) {
        if let Some(tag) = tag.filter(|tag| !matches!(tag.core_suffix(), Some("map" | "seq"))) {
            self.complain(at, &format!("the tag '{}' is not supported", tag.original()));
        }
    }

    fn complain(&mut self, at: &Position, text: &str) {
        let message = wrong_syntax(&self.file, text);
        self.findings.error(&Context::default(), Some(at), message);
    }

    fn position(&self, marker: granit_parser::Marker) -> Position {
        let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Position { file: Arc::clone(&self.file), line: narrow(marker.line()), column: narrow(marker.col() + 1) }
    }
}

/// The message of everything that YAML, or the types of a rule file, forbid.
pub(crate) fn wrong_syntax(file: &str, text: &str) -> String {
    format!("wrong syntax for the rule file '{file}': {text}")
}

#[cfg(test)]
mod tests;
