//! What a demo says at its end: things to try while it stays up, and where its files are.

use std::fs;

use anyhow::Context as _;

use super::{Demo, DemoPages};

impl Demo {
    /// Prints the commands that show most, each ready to be copied into a second terminal.
    pub(super) fn print_things_to_try(&self, pages: &DemoPages) -> anyhow::Result<()> {
        let (program, config) = (self.program.display(), self.config.display());
        let docked = self.dir.join("docked");
        let mut bays = fs::read_dir(&docked)?
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect::<Result<Vec<_>, _>>()?;
        bays.sort();
        let bay = bays.first().context("no camera is docked")?;
        let (here, away) = (docked.join(bay), self.dir.join("cameras").join(bay));
        let (here, away) = (here.display(), away.display());
        println!("\nStation and office stay up:");
        println!("  officers' page   http://{}/", pages.officers);
        println!("  office's pages   http://{}/", pages.office);
        println!("  their token      {}", pages.token);
        println!(
            "  key to play with {}",
            self.dir.join("keys/evidence-1.key.pem").display()
        );
        println!("\nFour things to try, in another terminal:");
        println!("  1. Pull a camera: its bay becomes empty.\n       mv {here} {away}");
        println!("  2. Dock it again: no file is read twice.\n       mv {away} {here}");
        println!("  3. Change one byte of the custody log: `verify` names the altered entry.");
        println!(
            "       printf X | dd bs=1 seek=200 conv=notrunc of=$(find {} -type f | sort | tail -n 1)",
            self.dir.join("state/log/tile/entries").display()
        );
        println!("       {program} -c {config} verify");
        println!(
            "  4. Watch with a key of your own: make one at http://{}/keys, confirm it, and choose its file at *Watch*.\n       {program} -c {} office people confirm demo --words 'ITS EIGHT WORDS' --operator me --reason 'I made it'",
            pages.office,
            self.office.display()
        );
        println!("\nCtrl-C ends the demo.");
        Ok(())
    }

    /// Prints where the files of the demo are.
    pub(super) fn print_places(&self) {
        println!("Its files are here:");
        for (what, path) in [
            ("configuration", "camdock.toml"),
            ("recipients' keys", "keys"),
            ("custody log", "state/log"),
            ("the office", "office"),
            ("the key desk", "keydesk"),
            ("the store's data", "store/data"),
            ("docked cameras", "docked"),
        ] {
            println!("  {what:<17} {}", self.dir.join(path).display());
        }
        let (program, config) = (self.program.display(), self.config.display());
        if self.pages.is_none() {
            println!("See what was taken: {program} -c {config} items");
        }
    }
}
