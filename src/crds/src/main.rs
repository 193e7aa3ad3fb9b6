//! Writes the CRD files into the directory that is its argument: `cargo run -p crds deploy/crds`.

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(directory) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: crds DIRECTORY");
        return ExitCode::from(2);
    };
    for (name, crd) in api::crd::all() {
        let path = directory.join(format!("{name}.yaml"));
        if let Err(error) = std::fs::File::create(&path)
            .and_then(|mut file| std::io::Write::write_all(&mut file, yaml::to_yaml(&crd).as_bytes()))
        {
            eprintln!("crds: {}: {error}", path.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
