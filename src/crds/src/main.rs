//! Writes the CRD files into the repository: `cargo run -p crds`; or into the directory that is its argument.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
    let named: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    // The chart has copies: who packages it, and who fetches it from the repository, follows no links.
    let own = || vec![deploy.join("crds"), deploy.join("chart/railcni/files/crds")];
    let directories = if named.is_empty() { own() } else { named };
    for (directory, (name, crd)) in
        directories.iter().flat_map(|directory| api::crd::all().into_iter().map(move |crd| (directory, crd)))
    {
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
