//! What a pod belongs to, by its name alone: controllers of Kubernetes make names by rules. Nobody is asked, so what is told cannot be
//! late; a pod that its owner has given such a name by hand is taken for theirs.

/// Of what Kubernetes makes names of, so that they are no words.
const RANDOM: &str = "bcdfghjklmnpqrstvwxz2456789";
/// Of the hash of a pod template, which is a number in these digits.
const HASH: &str = "456789bcdf";

/// `web` of `web-5d4f8c7b9d-x2klp`, `train` of `train-0` and of `train-3-x2klp`, and the pod's own name where it follows no rule.
pub(crate) fn of(pod: &str) -> &str {
    let Some((rest, last)) = cut(pod) else { return pod };
    if is_number(last) {
        return rest;
    }
    if last.len() != 5 || !is_of(last, RANDOM) {
        return pod;
    }
    match cut(rest) {
        // A ReplicaSet of a Deployment; a Job's index, or the time of a CronJob's Job.
        Some((name, middle)) if is_hash(middle) || is_number(middle) => name,
        _ => rest,
    }
}

fn cut(name: &str) -> Option<(&str, &str)> {
    name.rsplit_once('-').filter(|(rest, last)| !rest.is_empty() && !last.is_empty())
}

fn is_of(text: &str, letters: &str) -> bool {
    text.chars().all(|letter| letters.contains(letter))
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Of 32 bits; one in ten thousand has fewer than six digits.
fn is_hash(text: &str) -> bool {
    (6..=10).contains(&text.len()) && is_of(text, HASH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_its_controllers_by_its_name() {
        for (pod, workload) in [
            ("web-5d4f8c7b9d-x2klp", "web"),
            ("gpu-web-7c9d5f6b8-zz9hq", "gpu-web"),
            ("train-0", "train"),
            ("llama-worker-12", "llama-worker"),
            ("exporter-8xk2v", "exporter"),
            ("bench-3-x2klp", "bench"),
            ("nightly-29384710-x2klp", "nightly"),
            ("train", "train"),
            ("train-a", "train-a"),
            // Kubernetes uses no vowels, and neither 0, 1 nor 3.
            ("my-train", "my-train"),
            ("run-x1234", "run-x1234"),
            ("web-canary-x2klp", "web-canary"),
            ("-0", "-0"),
            ("x-", "x-"),
            ("", ""),
        ] {
            assert_eq!(of(pod), workload, "{pod}");
        }
    }
}
