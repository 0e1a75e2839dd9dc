use clap::CommandFactory as _;

use super::*;

/// Every help page, as a terminal of 100 columns shows it.
fn help_pages() -> String {
    let mut command = Cli::command().term_width(100);
    command.build();
    let mut pages = command.render_long_help().to_string();
    let mut names: Vec<String> =
        command.get_subcommands().map(|subcommand| subcommand.get_name().to_owned()).collect();
    names.retain(|name| name != "help");
    for name in names {
        let page = command.find_subcommand_mut(&name).map(clap::Command::render_long_help);
        pages.push_str(&format!("\n════ {name}\n{}", page.unwrap()));
    }
    pages
}

#[test]
fn help_says_what_every_command_and_flag_does() {
    Cli::command().debug_assert();
    insta::assert_snapshot!(help_pages());
}

#[test]
fn every_flag_and_command_has_help() {
    let mut command = Cli::command();
    command.build();
    for subcommand in command.get_subcommands() {
        assert!(subcommand.get_about().is_some(), "{}", subcommand.get_name());
        for argument in subcommand.get_arguments() {
            assert!(argument.get_help().is_some(), "{} {}", subcommand.get_name(), argument.get_id());
        }
    }
}

#[test]
fn names_from_the_inbox_cannot_move_the_cursor() {
    assert_eq!(readable(std::ffi::OsStr::new("a\u{1b}[2Jb\nc é")), "a\\u{1b}[2Jb\\nc é");
}
