//! audit/unsafe.md lists all the unsafe code there is, and is made from the sources: `make pages` writes it, this test compares.
//!
//! Unsafe code outside src/sys fails here, and so does a block or impl without its SAFETY comment.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// Where the list is.
const PAGE: &str = "audit/unsafe.md";

/// What stands above the list.
const HEAD: &str = "\
# Unsafe code

All of it, with the reason why each piece is sound, as the sources have it. Every module but `src/sys` carries `#[forbid(unsafe_code)]`.
This page is made from the sources by `make pages`; `tests/unsafe_list.rs` fails if it is not up to date, if there is unsafe code anywhere
else, or if a block or an impl has no SAFETY comment. clippy adds: one unsafe operation a block.

What to ask of each row: does the kernel read or write more memory than the comment says; who owns the descriptor afterwards; is the returned
length checked before the buffer is believed; what if the call is interrupted; may a signal handler do this?
";

/// One piece of unsafe code.
#[derive(Debug, PartialEq, Eq)]
struct Piece {
    /// The function, or the type of an impl.
    place: String,
    /// What it does that the compiler cannot check.
    operation: String,
    /// Why that is sound.
    reason: String,
}

/// Walks a file, and finds its unsafe code.
struct Finder<'a> {
    lines: Vec<&'a str>,
    /// Names of the modules, impls and functions that are open.
    place: Vec<String>,
    /// Where the statements that are open begin, from 1.
    statements: Vec<usize>,
    /// Whether the impl that is open implements a trait.
    of_trait: bool,
    /// Lines of SAFETY comments that speak for a piece already.
    used: BTreeSet<usize>,
    pieces: Vec<Piece>,
    flaws: Vec<String>,
}

impl Finder<'_> {
    fn record(&mut self, span: Span, operation: String) {
        let place = self.place.join("::");
        let line = span.start().line;
        let anchors = [Some(line), self.statements.last().copied()];
        let found = anchors.into_iter().flatten().find_map(|line| self.comment_above(line));
        match found {
            Some((at, reason)) if self.used.insert(at) => self.pieces.push(Piece { place, operation, reason }),
            Some(_) => self.flaws.push(format!("{line}: {operation} in {place} shares its SAFETY comment")),
            None => self.flaws.push(format!("{line}: {operation} in {place} has no SAFETY comment")),
        }
    }

    /// The SAFETY comment that ends right above this line, and where it starts.
    fn comment_above(&self, line: usize) -> Option<(usize, String)> {
        let mut words = Vec::new();
        for at in (1..line).rev() {
            let text = self.lines[at - 1].trim().strip_prefix("//")?;
            if text.starts_with(['/', '!']) {
                return None;
            }
            let text = text.trim();
            match text.strip_prefix("SAFETY:").map(str::trim) {
                Some("") if words.is_empty() => return None,
                Some(first) => {
                    words.push(first);
                    words.reverse();
                    return Some((at, words.join(" ").trim().to_owned()));
                }
                None => words.push(text),
            }
        }
        None
    }

    fn inside(&mut self, name: String, walk: impl FnOnce(&mut Self)) {
        self.place.push(name);
        let statements = std::mem::take(&mut self.statements);
        walk(self);
        self.statements = statements;
        self.place.pop();
    }

    /// An `unsafe fn`: its duties are those of the trait, or are in its documentation.
    fn function(&mut self, attributes: &[syn::Attribute], signature: &syn::Signature, of_trait: bool) {
        let Some(keyword) = signature.unsafety else { return };
        let place = self.place.join("::");
        let documented = attributes.iter().any(|attribute| text(attribute).contains("# Safety"));
        if !of_trait && !documented {
            let line = keyword.span.start().line;
            self.flaws.push(format!("{line}: unsafe fn {place} has no `# Safety` in its documentation"));
        }
        let reason = if of_trait { "its contract is the trait's" } else { "its contract is in its documentation" };
        self.pieces.push(Piece { place, operation: "is an unsafe fn".to_owned(), reason: reason.to_owned() });
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.inside(item.ident.to_string(), |this| visit::visit_item_mod(this, item));
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let name = text(&item.self_ty);
        if let Some(keyword) = item.unsafety {
            let implemented = item.trait_.as_ref().map(|(_, path, _)| text(path)).unwrap_or_default();
            self.place.push(name.clone());
            self.record(keyword.span, format!("is `{implemented}`"));
            self.place.pop();
        }
        let before = std::mem::replace(&mut self.of_trait, item.trait_.is_some());
        self.inside(name, |this| visit::visit_item_impl(this, item));
        self.of_trait = before;
    }

    fn visit_item_foreign_mod(&mut self, item: &'ast syn::ItemForeignMod) {
        let names: Vec<String> = item
            .items
            .iter()
            .filter_map(|item| match item {
                syn::ForeignItem::Fn(function) => Some(function.sig.ident.to_string()),
                _ => None,
            })
            .collect();
        if let Some(keyword) = item.unsafety {
            self.place.push(names.join(", "));
            self.record(keyword.span, "is declared, as C has it".to_owned());
            self.place.pop();
        }
        visit::visit_item_foreign_mod(self, item);
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.inside(item.sig.ident.to_string(), |this| {
            this.function(&item.attrs, &item.sig, false);
            visit::visit_item_fn(this, item);
        });
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.inside(item.sig.ident.to_string(), |this| {
            this.function(&item.attrs, &item.sig, this.of_trait);
            visit::visit_impl_item_fn(this, item);
        });
    }

    fn visit_stmt(&mut self, statement: &'ast syn::Stmt) {
        self.statements.push(statement.span().start().line);
        visit::visit_stmt(self, statement);
        self.statements.pop();
    }

    fn visit_expr_unsafe(&mut self, block: &'ast syn::ExprUnsafe) {
        self.record(block.unsafe_token.span, format!("`{}`", operation(&block.block)));
        visit::visit_expr_unsafe(self, block);
    }
}

/// What an unsafe block does: the call that it is, without the arguments.
fn operation(block: &syn::Block) -> String {
    fn of(expression: &syn::Expr) -> String {
        match expression {
            syn::Expr::Call(call) => text(&call.func),
            syn::Expr::MethodCall(call) => format!("{}.{}", text(&call.receiver), call.method),
            syn::Expr::Assign(assign) => format!("{} = ..", text(&assign.left)),
            other => text(other),
        }
    }
    let parts: Vec<String> = block
        .stmts
        .iter()
        .map(|statement| match statement {
            syn::Stmt::Expr(expression, _) => of(expression),
            other => text(other),
        })
        .collect();
    parts.join("; ")
}

/// Source text again, on one line.
fn text(part: &impl Spanned) -> String {
    let text = part.span().source_text().unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// All unsafe code of one file, in the order in which it stands there; or what is wrong with it, a line each.
fn unsafe_code(source: &str) -> Result<Vec<Piece>, Vec<String>> {
    let file = syn::parse_file(source).map_err(|error| vec![error.to_string()])?;
    let mut finder = Finder {
        lines: source.lines().collect(),
        place: Vec::new(),
        statements: Vec::new(),
        of_trait: false,
        used: BTreeSet::new(),
        pieces: Vec::new(),
        flaws: Vec::new(),
    };
    finder.visit_file(&file);
    // What a macro is given, and forms that are not listed, are seen by the word alone.
    let words = words(source.parse().map_err(|error: proc_macro2::LexError| vec![error.to_string()])?);
    if finder.flaws.is_empty() && words != finder.pieces.len() {
        finder.flaws.push(format!("0: `unsafe` is there {words} times, {} of them can be listed", finder.pieces.len()));
    }
    if finder.flaws.is_empty() { Ok(finder.pieces) } else { Err(finder.flaws) }
}

/// How often the word `unsafe` is in these tokens, macros' included.
pub(crate) fn words(stream: TokenStream) -> usize {
    stream
        .into_iter()
        .map(|token| match token {
            TokenTree::Group(group) => words(group.stream()),
            TokenTree::Ident(word) => usize::from(word == "unsafe"),
            _ => 0,
        })
        .sum()
}

/// One file's part of the page.
fn section(path: &str, pieces: &[Piece]) -> String {
    let mut text = format!("\n## {path}\n\n| where | what | why it is sound |\n|---|---|---|\n");
    for Piece { place, operation, reason } in pieces {
        let cells = [format!("`{place}`"), operation.clone(), reason.clone()].map(|cell| cell.replace('|', "\\|"));
        writeln!(text, "| {} |", cells.join(" | ")).unwrap();
    }
    text
}

/// The whole page, from the files of src/sys, each with its source.
fn page(files: &[(String, String)]) -> Result<String, String> {
    let mut text = HEAD.to_owned();
    let mut flaws = Vec::new();
    for (path, source) in files {
        match unsafe_code(source) {
            Ok(pieces) if pieces.is_empty() => {}
            Ok(pieces) => text.push_str(&section(path, &pieces)),
            Err(found) => flaws.extend(found.into_iter().map(|flaw| format!("{path}:{flaw}"))),
        }
    }
    if flaws.is_empty() { Ok(text) } else { Err(flaws.join("\n")) }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file under these directories, relative to the crate, with its source.
fn sources(directories: &[&str]) -> Vec<(String, String)> {
    let mut pending: Vec<PathBuf> = directories.iter().map(|name| root().join(name)).collect();
    let mut files = Vec::new();
    while let Some(directory) = pending.pop() {
        let Ok(entries) = std::fs::read_dir(&directory) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
                files.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

#[test]
fn the_page_is_what_the_sources_say() {
    let made = page(&sources(&["src/sys"])).unwrap_or_else(|flaws| panic!("\n{flaws}"));
    assert!(made.contains("`libc::fork`"), "{made}");
    let path = root().join(PAGE);
    if std::env::var_os("SENTINEL_WRITE").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = made.lines().zip(there.lines().chain(std::iter::repeat(""))).find(|(made, there)| made != there);
    assert!(made == there, "{PAGE} is not up to date: `make pages`. First difference, wanted and found: {differs:#?}");
}

#[test]
fn nothing_else_in_the_repository_is_unsafe() {
    let files = sources(&["src", "tests", "fuzz", "benches", "demo"]);
    assert!(files.len() > 100, "{} files", files.len());
    let found: Vec<&String> = files
        .iter()
        .filter(|(path, _)| !path.starts_with("src/sys/"))
        .filter(|(path, source)| words(source.parse().unwrap_or_else(|error| panic!("{path}: {error}"))) > 0)
        .map(|(path, _)| path)
        .collect();
    assert!(found.is_empty(), "unsafe code outside src/sys: {found:?}");
}

#[test]
fn each_piece_is_listed_with_its_reason() {
    let source = "\
mod m {
    // SAFETY: nothing
    // is kept.
    unsafe impl Send for Pages<'_> {}
    unsafe impl GlobalAlloc for X {
        unsafe fn alloc(&self) {
            // SAFETY: a | b.
            unsafe { System.alloc(1) }
        }
    }
    fn f() {
        // SAFETY: the count is 1.
        cerr(
            unsafe { libc::poll(&mut p, 1, 0) })?;
    }
    /// # Safety
    /// Yes.
    unsafe fn g() {}
}
"
    .replace("    unsafe impl Global", "    // SAFETY: it is the system's.\n    unsafe impl Global");
    assert_eq!(
        section("src/sys/x.rs", &unsafe_code(&source).unwrap()),
        "\n## src/sys/x.rs\n\n| where | what | why it is sound |\n|---|---|---|\n\
         | `m::Pages<'_>` | is `Send` | nothing is kept. |\n\
         | `m::X` | is `GlobalAlloc` | it is the system's. |\n\
         | `m::X::alloc` | is an unsafe fn | its contract is the trait's |\n\
         | `m::X::alloc` | `System.alloc` | a \\| b. |\n\
         | `m::f` | `libc::poll` | the count is 1. |\n\
         | `m::g` | is an unsafe fn | its contract is in its documentation |\n"
    );
}

#[test]
fn what_has_no_reason_of_its_own_is_seen() {
    for (source, flaw) in [
        ("fn f() { unsafe { g() } }", "1: `g` in f has no SAFETY comment"),
        ("unsafe extern \"C\" { fn g(); }", "1: is declared, as C has it in g has no SAFETY comment"),
        ("fn f() {\n // Safe.\n unsafe { g() }\n}", "3: `g` in f has no SAFETY comment"),
        ("fn f() {\n // SAFETY:\n unsafe { g() }\n}", "3: `g` in f has no SAFETY comment"),
        ("fn f() {\n // SAFETY: x.\n\n unsafe { g() }\n}", "4: `g` in f has no SAFETY comment"),
        ("/// SAFETY: x.\nunsafe impl A for B {}", "2: is `A` in B has no SAFETY comment"),
        (
            "fn f() {\n // SAFETY: x.\n let _ = (unsafe { g() }, unsafe { h() });\n}",
            "3: `h` in f shares its SAFETY comment",
        ),
        ("unsafe fn f() {}", "1: unsafe fn f has no `# Safety` in its documentation"),
        ("fn f() { m!(unsafe { g() }); }", "0: `unsafe` is there 1 times, 0 of them can be listed"),
    ] {
        assert_eq!(unsafe_code(source), Err(vec![flaw.to_owned()]), "{source}");
    }
    assert!(unsafe_code("fn f( {").is_err());
}
