//! `backbone __nvml FOLDER`: the process that has the library of the host below this folder loaded, and
//! answers for it. One line of JSON in for each question, one out for each answer; it ends when its standard
//! input does.

use std::io::{BufRead as _, Write as _};
use std::process::ExitCode;

use nvml_wrapper::{Device, Nvml};
use serde::Serialize;

use super::{Question, Trouble, library};
use crate::host::root::HostRoot;

/// The whole of that command.
pub(crate) fn execute() -> ExitCode {
    let root = std::env::args_os().nth(2).and_then(|folder| HostRoot::new(folder).ok());
    match root.map(|root| serve(&root)) {
        Some(Ok(())) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn serve(root: &HostRoot) -> std::io::Result<()> {
    let nvml = match library::open(root) {
        Ok(nvml) => nvml,
        Err(trouble) => return answer(&Err::<(), Trouble>(trouble)),
    };
    answer(&Ok::<(), Trouble>(()))?;
    let mut known = Vec::new();
    for line in std::io::stdin().lock().lines() {
        match serde_json::from_str(&line?)? {
            Question::Cards => answer(&library::cards(&nvml))?,
            Question::Read(cards) => {
                let values = cards.iter().map(|uuid| match device(&nvml, &mut known, uuid) {
                    Ok(device) => Ok(library::read(device)),
                    Err(trouble) => Err(trouble),
                });
                answer(&Ok::<_, Trouble>(values.collect::<Vec<_>>()))?;
            }
            Question::Clocks(cards) => {
                let clocks =
                    cards.iter().map(|uuid| device(&nvml, &mut known, uuid).map(|it| library::clocks(it)));
                answer(&Ok::<_, Trouble>(clocks.collect::<Vec<_>>()))?;
            }
            Question::Change(uuid, change) => {
                let changed = device(&nvml, &mut known, &uuid).and_then(|it| library::change(it, change));
                answer(&changed)?;
            }
        }
    }
    Ok(())
}

/// The card, which is looked for once.
fn device<'known, 'nvml>(
    nvml: &'nvml Nvml,
    known: &'known mut Vec<(String, Device<'nvml>)>,
    uuid: &str,
) -> Result<&'known mut Device<'nvml>, Trouble> {
    let index = match known.iter().position(|(name, _)| name == uuid) {
        Some(index) => index,
        None => {
            known.push((uuid.to_owned(), nvml.device_by_uuid(uuid).map_err(library::trouble)?));
            known.len() - 1
        }
    };
    Ok(&mut known[index].1)
}

fn answer(answer: &impl Serialize) -> std::io::Result<()> {
    let mut output = std::io::stdout().lock();
    serde_json::to_writer(&mut output, answer)?;
    output.write_all(b"\n")?;
    output.flush()
}
