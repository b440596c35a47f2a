use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Subcommand, ValueEnum};
use zeroize::Zeroizing;

use super::{Outcome, load_config};
use crate::audit::LogKey;
use crate::config::StationFiles;
use crate::durable;
use crate::seal::{Curve, ItemKey, Recipient, keygen_recipient};

/// Makes key pairs. It never overwrites a file.
#[derive(clap::Args)]
#[command(after_help = "\
  camdock keygen recipient --out evidence   makes evidence.key.pem (keep it safe, and never on a station)
                                            and evidence.pub.pem (goes into [seal] recipients)
  camdock keygen confirmer --name reader.example.org --out reader
                                            makes reader.key (for `camdock confirm`, never on a station)
                                            and reader.pub (goes into wipe.toml)
  camdock keygen station                    makes the station's own keys below its state folder
Without the private recipient keys nobody can open stored footage: keep at least two recipients.")]
pub struct Args {
    #[command(subcommand)]
    what: KeygenVerb,
}

#[derive(Subcommand)]
enum KeygenVerb {
    /// Make a recipient's key pair: its private key opens all footage that is sealed to it
    Recipient {
        /// The files are NAME.key.pem and NAME.pub.pem
        #[arg(long, value_name = "NAME")]
        out: PathBuf,
        /// The elliptic curve of the key
        #[arg(long, value_enum, default_value_t = CurveName::P384)]
        curve: CurveName,
    },
    /// Make a confirmer's key pair, for reading footage back and signing that it is stored (`camdock confirm`)
    Confirmer {
        /// The confirmer's name in the confirmations, without spaces and `+`
        #[arg(long)]
        name: String,
        /// The files are NAME.key and NAME.pub
        #[arg(long, value_name = "NAME")]
        out: PathBuf,
    },
    /// Make the station's keys: one signs the log, one protects items in flight
    Station,
}

#[derive(Clone, Copy, ValueEnum)]
enum CurveName {
    P384,
    P256,
}

pub fn run(config: &Path, args: Args) -> anyhow::Result<Outcome> {
    match args.what {
        KeygenVerb::Recipient { out, curve } => {
            let curve = match curve {
                CurveName::P384 => Curve::P384,
                CurveName::P256 => Curve::P256,
            };
            let (private, public) = (with_suffix(&out, ".key.pem"), with_suffix(&out, ".pub.pem"));
            recipient(&private, &public, curve)?;
            println!(
                "private key: {}   keep it safe and off every station",
                private.display()
            );
            println!(
                "public key:  {}   name it in [seal] recipients",
                public.display()
            );
            println!(
                "fingerprint: {}",
                Recipient::from_pem(&std::fs::read_to_string(&public)?)?.fingerprint()
            );
        }
        KeygenVerb::Confirmer { name, out } => {
            let (private, public) = (with_suffix(&out, ".key"), with_suffix(&out, ".pub"));
            let verifier = confirmer(&private, &public, &name)?;
            println!(
                "private key: {}   keep it off every station",
                private.display()
            );
            println!("public key:  {verifier}");
            println!(
                "Name the public key as one of `confirmer_keys` in each station's /etc/camdock/wipe.toml."
            );
        }
        KeygenVerb::Station => {
            let config = load_config(config)?;
            let key = station(&config.files, &config.station.log_origin)?;
            println!(
                "keys:                 {}",
                config.files.keys_dir().display()
            );
            println!("the log's public key: {key}");
            println!(
                "Give the public key to everyone who is to verify this station's log, by a way that you trust."
            );
        }
    }
    Ok(Outcome::Fine)
}

fn with_suffix(out: &Path, suffix: &str) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

pub fn recipient(private: &Path, public: &Path, curve: Curve) -> anyhow::Result<()> {
    refuse_existing(&[private, public])?;
    let (key, pem) = keygen_recipient(curve)?;
    durable::write_atomic(private, key.as_bytes())?;
    durable::write_atomic(public, pem.as_bytes())?;
    Ok(())
}

/// Makes `station.key` and `wrap.key`; returns the log's verifier key.
pub fn station(files: &StationFiles, origin: &str) -> anyhow::Result<String> {
    let (signing, wrap) = (files.station_key(), files.wrap_key());
    refuse_existing(&[&signing, &wrap])?;
    durable::create_dir(&files.keys_dir())?;
    let (key, pkcs8) = LogKey::generate()?;
    durable::write_atomic(&signing, &pkcs8)?;
    let bytes: Zeroizing<[u8; 32]> = ItemKey::generate()?.into_bytes();
    durable::write_atomic(&wrap, &bytes[..])?;
    let verifier = key.verifier(origin)?.to_string();
    let text = format!("{verifier}\n");
    durable::write_atomic(&files.log_public_key(), text.as_bytes())
        .context("cannot write the log's public key")?;
    Ok(verifier)
}

/// Makes a confirmer's key pair; returns its verifier key.
fn confirmer(private: &Path, public: &Path, name: &str) -> anyhow::Result<String> {
    refuse_existing(&[private, public])?;
    let (key, pkcs8) = LogKey::generate()?;
    let verifier = key
        .verifier(name)
        .map_err(|error| super::usage(format!("{name:?} cannot be a confirmer's name: {error}")))?
        .to_string();
    durable::write_atomic(private, &pkcs8)?;
    durable::write_atomic(public, format!("{verifier}\n").as_bytes())?;
    Ok(verifier)
}

fn refuse_existing(paths: &[&Path]) -> anyhow::Result<()> {
    for path in paths {
        if path.exists() {
            bail!(
                "{} exists already; move it away first if you really want a new key",
                path.display()
            );
        }
    }
    Ok(())
}
