//! Builds the tree from the parser's events, within limits.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

use super::{Content, Entry, Kind, Node, Scalar, SyntaxError};
use crate::Position;

/// The files need a handful of levels; the tree is walked by recursion.
const DEPTH_MAX: usize = 64;

/// What anchors may keep and aliases unfold to in one file. Without it a few lines could fill the memory.
const COPIED_BYTES_MAX: usize = 16 << 20;
const NODE_BYTES: usize = 128;

/// Which one is not said: it can be the beginning of a secret that lacks its quotes.
const TAG: &str = "this tag is not supported; a text that begins with '!' stands in quotes";

/// Reads all documents of a text, and all that is wrong with it in one go. No documents if the text is not YAML; where
/// only a part of it is wrong, that part is left out.
pub fn documents(file: &str, text: &str) -> (Option<Vec<Node>>, Vec<SyntaxError>) {
    let mut reader = Reader {
        parser: Parser::new_from_str_with_options(text, granit_parser::options! { emit_comments: false }),
        file: Arc::from(file),
        anchors: HashMap::new(),
        copied_bytes: 0,
        errors: Vec::new(),
    };
    let documents = reader.documents().map_err(|error| reader.errors.push(error)).ok();
    (documents, reader.errors)
}

/// Reads a text that holds one document, which is null where there is none; a second one is an error.
pub fn document(file: &str, text: &str) -> (Option<Node>, Vec<SyntaxError>) {
    let (documents, mut errors) = documents(file, text);
    let document = documents.map(|documents| {
        let mut documents = documents.into_iter();
        let first = documents.next();
        if let Some(Node { at, .. }) = documents.next() {
            let message = "a second document begins here, and this file can hold one only".to_owned();
            errors.push(SyntaxError { at, message });
        }
        first.unwrap_or_else(|| Node::null(Position { file: file.into(), line: 1, column: 1 }))
    });
    (document, errors)
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    file: Arc<str>,
    anchors: HashMap<usize, Weighed>,
    copied_bytes: usize,
    errors: Vec<SyntaxError>,
}

/// A node with what it weighs, for the limits on copies of it.
#[derive(Clone)]
struct Weighed {
    node: Node,
    bytes: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn documents(&mut self) -> Result<Vec<Node>, SyntaxError> {
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

    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, SyntaxError> {
        self.parser
            .next_event()
            .transpose()
            .map_err(|error: ScanError| SyntaxError { at: self.position(*error.marker()), message: error.info() })
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Weighed, SyntaxError> {
        let at = self.position(span.start);
        check_depth(&at, depth)?;
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
                let message = "a value is missing here".to_owned();
                return Err(SyntaxError { at, message });
            }
        };
        if anchor != 0 {
            self.count_copy(&weighed.node.at, weighed.bytes)?;
            self.anchors.insert(anchor, weighed.clone());
        }
        Ok(weighed)
    }

    fn scalar(&mut self, at: Position, text: &str, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Weighed {
        let plain = Kind::of_plain(text);
        let kind = match (tag.map(|tag| (tag, tag.core_suffix())), style) {
            (None, ScalarStyle::Plain) => plain,
            (None, _) | (Some((_, Some("str"))), _) => Kind::Text,
            (Some(_), _) => {
                self.complain(&at, TAG);
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

    fn list(&mut self, at: Position, depth: usize) -> Result<Weighed, SyntaxError> {
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

    fn map(&mut self, at: Position, depth: usize) -> Result<Weighed, SyntaxError> {
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
                self.complain(&key.node.at, text);
                continue;
            }
            known.insert(Arc::clone(&scalar.text), key.node.at.clone());
            entries.push(Entry { key: scalar.text, at: key.node.at, value: value.node });
        }
        let mut known: HashSet<Arc<str>> = known.into_keys().collect();
        for node in merged {
            self.merge(node, &mut known, &mut entries);
        }
        let node = Node { at, content: Content::Map(entries) };
        Ok(Weighed { node, bytes, depth: deepest + 1 })
    }

    /// `<<:` adds what the map does not say itself; of a list of maps the first that says it.
    fn merge(&mut self, node: Node, known: &mut HashSet<Arc<str>>, entries: &mut Vec<Entry>) {
        match node.content {
            Content::Map(mut added) => {
                added.retain(|entry| known.insert(Arc::clone(&entry.key)));
                entries.append(&mut added);
            }
            Content::List(maps) if maps.iter().all(|map| matches!(map.content, Content::Map(_))) => {
                for map in maps {
                    self.merge(map, known, entries);
                }
            }
            _ => self.complain(&node.at, "'<<' needs a map or a list of maps"),
        }
    }

    fn alias(&mut self, at: Position, anchor: usize, depth: usize) -> Result<Weighed, SyntaxError> {
        let Some(anchored) = self.anchors.get(&anchor) else {
            let message = "an alias within what it stands for".to_owned();
            return Err(SyntaxError { at, message });
        };
        let Weighed { mut node, bytes, depth: levels } = anchored.clone();
        self.count_copy(&at, bytes)?;
        check_depth(&at, depth + levels - 1)?;
        node.at = at;
        if let Content::Scalar(scalar) = &mut node.content {
            scalar.inset = None;
        }
        Ok(Weighed { node, bytes, depth: levels })
    }

    fn count_copy(&mut self, at: &Position, bytes: usize) -> Result<(), SyntaxError> {
        self.copied_bytes += bytes;
        if self.copied_bytes > COPIED_BYTES_MAX {
            let message = "the aliases of this file unfold to too much".to_owned();
            return Err(SyntaxError { at: at.clone(), message });
        }
        Ok(())
    }

    fn check_collection_tag(&mut self, at: &Position, tag: Option<&Tag>) {
        if tag.is_some_and(|tag| !matches!(tag.core_suffix(), Some("map" | "seq"))) {
            self.complain(at, TAG);
        }
    }

    fn complain(&mut self, at: &Position, message: impl Into<String>) {
        self.errors.push(SyntaxError { at: at.clone(), message: message.into() });
    }

    fn position(&self, marker: granit_parser::Marker) -> Position {
        let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Position { file: Arc::clone(&self.file), line: narrow(marker.line()), column: narrow(marker.col() + 1) }
    }
}

fn check_depth(at: &Position, depth: usize) -> Result<(), SyntaxError> {
    if depth > DEPTH_MAX {
        let message = format!("more than {DEPTH_MAX} levels of lists and maps");
        return Err(SyntaxError { at: at.clone(), message });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
