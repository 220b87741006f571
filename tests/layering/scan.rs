//! A source file as a flat list of tokens, and the paths in it.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// One token. Groups are flattened into their delimiters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// An identifier or keyword, without `r#`.
    Word(String),
    /// One character of punctuation, or a delimiter.
    Punct(char),
    /// A string, number or character.
    Literal,
}

/// A use of one of the crate's top-level modules.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Use {
    /// The module, or what hides it: `*`, `self`, `as`, or the crate itself.
    pub(super) room: String,
    /// Where, from 1.
    pub(super) line: usize,
}

/// A file's tokens.
pub(super) struct Tokens {
    tokens: Vec<(Token, usize)>,
}

impl Tokens {
    /// Parses a whole file, and flattens it.
    pub(super) fn of(source: &str) -> Result<Self, String> {
        syn::parse_file(source).map_err(|error| error.to_string())?;
        let stream: TokenStream = source.parse().map_err(|error: proc_macro2::LexError| error.to_string())?;
        let mut tokens = Vec::new();
        flatten(stream, &mut tokens);
        Ok(Self { tokens })
    }

    /// Every token with its position.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &Token)> {
        self.tokens.iter().map(|(token, _)| token).enumerate()
    }

    /// The line of the token at this position, from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        self.tokens[at].1
    }

    /// Whether this punctuation is at this position.
    pub(super) fn punct(&self, at: usize, wanted: char) -> bool {
        self.tokens.get(at).is_some_and(|(token, _)| *token == Token::Punct(wanted))
    }

    /// Whether the token at this position is an attribute's own name, or inside a `cfg_attr`.
    pub(super) fn in_attribute(&self, at: usize) -> bool {
        let own = at >= 2 && self.punct(at - 2, '#') && self.punct(at - 1, '[');
        own || (at.saturating_sub(12)..at).any(|before| self.word(before) == Some("cfg_attr"))
    }

    fn word(&self, at: usize) -> Option<&str> {
        match self.tokens.get(at) {
            Some((Token::Word(word), _)) => Some(word),
            _ => None,
        }
    }

    /// The position after `::`, if that is what is at this position.
    fn after_colons(&self, at: usize) -> Option<usize> {
        (self.punct(at, ':') && self.punct(at + 1, ':')).then_some(at + 2)
    }

    /// What follows the path segment at `at`: one name, or the first names of a `{..}` group. `*` and `as` are names too,
    /// and so is nothing at all, as the segment itself.
    pub(super) fn names_after(&self, at: usize) -> Vec<String> {
        let Some(next) = self.after_colons(at + 1) else {
            return match self.word(at + 1) {
                Some("as") => vec!["as".to_owned()],
                // A variable or parameter of this name, or `use libc;`.
                _ => Vec::new(),
            };
        };
        self.heads(next).into_iter().map(|(name, _)| name).collect()
    }

    /// The names at the head of a use tree that starts here, each with its position.
    fn heads(&self, start: usize) -> Vec<(String, usize)> {
        if let Some(word) = self.word(start) {
            return vec![(word.to_owned(), start)];
        }
        if self.punct(start, '*') {
            return vec![("*".to_owned(), start)];
        }
        if !self.punct(start, '{') {
            // A macro's variable: who knows what it will be.
            return vec![("what a macro makes".to_owned(), start)];
        }
        let mut heads = Vec::new();
        let mut depth = 0_usize;
        for at in start..self.tokens.len() {
            if self.punct(at, '{') {
                depth += 1;
            } else if self.punct(at, '}') {
                depth -= 1;
                if depth == 0 {
                    break;
                }
            }
            let begins = self.punct(at, '{') || self.punct(at, ',');
            if depth == 1 && begins && !self.punct(at + 1, '}') {
                heads.extend(self.heads(at + 1));
            }
        }
        heads
    }

    /// Every use of a top-level module, through `crate::`, `sentinel::` or `super::`, in a file that is this module.
    pub(super) fn crate_uses(&self, module: &[String]) -> Vec<Use> {
        let mut uses = Vec::new();
        // Inline modules that are open here, by the depth of their braces.
        let mut inline: Vec<usize> = Vec::new();
        let mut depth = 0_usize;
        for at in 0..self.tokens.len() {
            if self.punct(at, '{') {
                depth += 1;
                if at >= 2 && self.word(at - 2) == Some("mod") {
                    inline.push(depth);
                }
            } else if self.punct(at, '}') {
                if inline.last() == Some(&depth) {
                    inline.pop();
                }
                depth -= 1;
            }
            match self.word(at) {
                // `pub(crate)`
                Some("crate") if self.punct(at + 1, ')') => {}
                Some("crate") => self.heads_in_root(at, &mut uses),
                Some("sentinel") if self.after_colons(at + 1).is_some() => self.heads_in_root(at, &mut uses),
                Some("super") if at < 3 || self.word(at - 3) != Some("super") => {
                    self.above(at, module.len() + inline.len(), &mut uses);
                }
                _ => {}
            }
        }
        uses
    }

    /// Records what the path through the crate's root at `at` leads to.
    fn heads_in_root(&self, at: usize, uses: &mut Vec<Use>) {
        match self.after_colons(at + 1) {
            Some(next) => {
                uses.extend(self.heads(next).into_iter().map(|(room, at)| Use { room, line: self.line(at) }));
            }
            None => uses.push(Use { room: "the crate itself".to_owned(), line: self.line(at) }),
        }
    }

    /// Records what `super::super..` leads to, if it leads out of the room.
    fn above(&self, mut at: usize, mut levels: usize, uses: &mut Vec<Use>) {
        let start = at;
        loop {
            levels = levels.saturating_sub(1);
            match self.after_colons(at + 1) {
                Some(next) if self.word(next) == Some("super") => at = next,
                _ => break,
            }
        }
        if levels > 0 || self.punct(start + 1, ')') {
            return;
        }
        self.heads_in_root(at, uses);
    }
}

fn flatten(stream: TokenStream, tokens: &mut Vec<(Token, usize)>) {
    for tree in stream {
        let line = tree.span().start().line;
        match tree {
            TokenTree::Ident(word) => {
                let word = word.to_string();
                tokens.push((Token::Word(word.strip_prefix("r#").unwrap_or(&word).to_owned()), line));
            }
            TokenTree::Punct(punct) => tokens.push((Token::Punct(punct.as_char()), line)),
            TokenTree::Literal(_) => tokens.push((Token::Literal, line)),
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ('(', ')'),
                    Delimiter::Brace => ('{', '}'),
                    Delimiter::Bracket => ('[', ']'),
                    Delimiter::None => (' ', ' '),
                };
                tokens.push((Token::Punct(open), line));
                flatten(group.stream(), tokens);
                tokens.push((Token::Punct(close), group.span_close().start().line));
            }
        }
    }
}
