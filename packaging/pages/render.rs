//! Man pages and completions from the definitions of the command line: a page for each command, and one
//! script for each shell, laid out as below `share/` of an installation.

use std::path::Path;

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

/// Where each shell looks for the completions of a command, below `share/`.
pub(crate) const COMPLETIONS: [(Shell, &str); 3] = [
    (Shell::Bash, "bash-completion/completions/backbone"),
    (Shell::Zsh, "zsh/vendor-completions/_backbone"),
    (Shell::Fish, "fish/vendor_completions.d/backbone.fish"),
];

/// Write everything below `folder`. `date` is printed in the pages.
///
/// # Errors
/// A file cannot be written.
pub(crate) fn write(folder: &Path, date: &str) -> anyhow::Result<()> {
    let pages = folder.join("man/man1");
    fs_err::create_dir_all(&pages)?;
    for command in [backbone::cli::command(), backbone::cli::daemon_command()] {
        // A page that only says how to print help would be one for each command.
        let mut command = command.disable_help_subcommand(true);
        command.build();
        write_pages(&command, None, &pages, date)?;
    }
    for (shell, place) in COMPLETIONS {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut backbone::cli::command(), "backbone", &mut script);
        let path = folder.join(place);
        fs_err::create_dir_all(path.parent().unwrap_or(folder))?;
        fs_err::write(path, script)?;
    }
    Ok(())
}

/// The page of a command, and those of its subcommands.
fn write_pages(command: &Command, parent: Option<&str>, folder: &Path, date: &str) -> anyhow::Result<()> {
    let name = page_name(command);
    let below: Vec<&Command> = command.get_subcommands().filter(|below| !below.is_hide_set()).collect();
    let page = Man::new(command.clone())
        .date(date)
        .source(format!("BackboneAnalysis {}", env!("CARGO_PKG_VERSION")))
        .manual("BackboneAnalysis");
    let mut text = Vec::new();
    page.render_title(&mut text)?;
    page.render_name_section(&mut text)?;
    page.render_synopsis_section(&mut text)?;
    page.render_description_section(&mut text)?;
    page.render_options_section(&mut text)?;
    if !below.is_empty() {
        page.render_subcommands_section(&mut text)?;
    }
    if let Some(table) = command.get_after_help() {
        text.extend(exit_status(&table.to_string()).into_bytes());
    }
    let related = parent.map(str::to_owned).into_iter().chain(below.iter().map(|below| page_name(below)));
    text.extend(see_also(related).into_bytes());
    // Breaks around an empty line, which is a space by itself, are what formatters warn of.
    let text = String::from_utf8(text)?.replace(".br\n\n.br\n", ".sp\n");
    fs_err::write(folder.join(format!("{name}.1")), text)?;
    below.iter().try_for_each(|below| write_pages(below, Some(&name), folder, date))
}

fn page_name(command: &Command) -> String {
    command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned()
}

/// The table of exit codes, whose lines must stay lines.
fn exit_status(table: &str) -> String {
    let lines = table.lines().skip_while(|line| !line.starts_with("Exit codes")).skip(1);
    let entries: String = lines
        .filter_map(|line| line.trim().split_once(' '))
        .map(|(code, meaning)| format!(".TP\n.B {code}\n{}\n", escaped(meaning.trim())))
        .collect();
    if entries.is_empty() { String::new() } else { format!(".SH \"EXIT STATUS\"\n{entries}") }
}

fn see_also(pages: impl Iterator<Item = String>) -> String {
    let mut text = ".SH \"SEE ALSO\"\n".to_owned();
    for page in pages {
        text.push_str(&format!(".BR {} (1),\n", escaped(&page)));
    }
    text.push_str(".I /usr/share/doc/backbone/OPERATING.md\n");
    text
}

/// Text in which troff sees no command of its own.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}
