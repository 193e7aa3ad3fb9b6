use super::*;
use crate::demo::Demo;

fn parse(line: &str) -> Result<Command, clap::Error> {
    Cli::read(line.split(' ')).map(|cli| cli.command)
}

fn pod(line: &str) -> Pod {
    match parse(line).unwrap() {
        Command::Attach(attach) => attach.pod,
        Command::Detach(detach) => detach.pod,
        Command::Check(check) => check.pod,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn the_last_word_is_the_namespace() {
    let pod = pod("railctl attach rail1 ./rail2.conflist blue");
    assert_eq!(pod.networks(), ["rail1", "./rail2.conflist"]);
    assert_eq!(pod.netns(), "blue");
}

#[test]
fn options_may_stand_between_the_words() {
    for line in [
        "railctl attach rail1 -i net2 blue",
        "railctl attach -i net2 rail1 blue",
        "railctl detach rail1 --ifname net2 blue",
        "railctl check rail1 blue -i net2",
    ] {
        let pod = pod(line);
        assert_eq!(
            (pod.networks(), pod.netns(), &pod.ifnames[..]),
            (&["rail1".to_owned()][..], "blue", &["net2".to_owned()][..]),
            "{line}"
        );
    }
    let line = "railctl inject --config a.yaml --config b.yaml pod.yaml";
    assert!(
        matches!(parse(line), Ok(Command::Inject(args)) if args.configs.len() == 2 && args.file.as_os_str() == "pod.yaml")
    );
}

#[test]
fn the_usage_has_the_pod_last() {
    for verb in ["attach", "detach", "check"] {
        let help = parse(&format!("railctl {verb} --help")).unwrap_err().to_string();
        assert!(help.contains(&format!("railctl {verb} [OPTIONS] <NETWORK>... <NETNS>\n")), "{help}");
    }
}

#[test]
fn one_word_is_not_enough() {
    for line in ["railctl attach rail1", "railctl detach", "railctl status"] {
        parse(line).unwrap_err();
    }
}

#[test]
fn options_reach_their_fields() {
    let line = r#"railctl add a b ns -i rail0,rail1 --container-id c --cap-args {"ips":["10.0.0.1"]} --args A=1;B=x=y"#;
    let pod = pod(line);
    assert_eq!(pod.ifnames, ["rail0", "rail1"]);
    assert_eq!(pod.container_id.as_deref(), Some("c"));
    assert_eq!(pod.cap_args.unwrap()["ips"][0], "10.0.0.1");
    assert_eq!(pod.args.unwrap().0, [["A", "1"], ["B", "x=y"]].map(|pair| pair.map(str::to_owned)));
}

#[test]
fn bad_values_are_refused() {
    for option in ["--cap-args [1]", "--cap-args {", "--args A", "--args =1", "-o xml"] {
        assert!(parse(&format!("railctl attach a ns {option}")).is_err(), "{option}");
    }
}

#[test]
fn the_search_path_is_split() {
    let pod = pod("railctl check a ns --bin-dir /a:/b");
    assert_eq!(pod.places.bin_dir.0, [PathBuf::from("/a"), "/b".into()]);
}

#[test]
fn remove_takes_a_number_or_none() {
    for (line, expected) in [("railctl demo --remove", None), ("railctl demo --remove 7", Some(7))] {
        assert!(
            matches!(parse(line), Ok(Command::Demo(Demo { remove: Some(number), .. })) if number == expected)
        );
    }
    parse("railctl demo --remove --keep").unwrap_err();
}
