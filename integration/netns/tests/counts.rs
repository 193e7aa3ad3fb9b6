//! What ADD and DEL of each plugin ask of the kernel: no more than `benches/counts.txt` says.

use netns_tests::subjects::{SUBJECTS, Subject};

#[test]
fn an_add_and_a_del_ask_no_more_of_the_kernel_than_the_file_says() {
    let wrong: Vec<_> = SUBJECTS.iter().flat_map(Subject::miscounts).collect();
    testkit::assert_counts(&wrong);
}
