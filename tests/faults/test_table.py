"""Each row of the guide's table of faults is shown by tests, and these exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "operate" / "troubleshooting.md").read_text(encoding="utf-8")
SECTION = GUIDE.partition("\n## When something breaks\n")[2].partition("\n## ")[0]
ROWS = [line.strip("| ").split(" | ") for line in SECTION.splitlines() if line.startswith("| ")][2:]
TESTS = {
    name
    for path in (ROOT / "tests").rglob("test_*.py")
    for name in re.findall(r"^def (test_\w+)", path.read_text(), re.M)
}
# Key: what breaks, as in the guide.
SHOWN_BY = {
    "the network fails on a photo": [
        "test_an_engine_that_fails_is_our_fault_and_says_so",
        "test_a_failing_model_fails_its_batch_and_goes_on_with_the_next",
    ],
    "the network hangs": [
        "test_a_model_that_hangs_is_seen_and_seen_to_come_back",
        "test_a_site_whose_model_hangs_is_alive_but_not_ready",
    ],
    "the bundle is missing, a file of it is missing or damaged, or it is of another version": [
        "test_a_broken_bundle_stops_the_start_with_its_reason",
    ],
    "the converted network is damaged": [
        "test_a_damaged_folder_is_built_again_and_the_log_says_so",
    ],
    "the converted network can be neither read nor made again": [
        "test_where_the_cache_can_be_neither_read_nor_made_again_tensorflow_answers",
    ],
    "every disk is full, also that of the log": [
        "test_when_every_disk_is_full_even_that_of_the_log_photos_are_answered",
    ],
    "no disk can be written": [
        "test_without_any_writable_disk_photos_are_answered",
    ],
    "Redis is gone, or was never there": [
        "test_when_redis_is_gone_each_site_counts_for_itself_and_says_so_once",
        "test_a_redis_that_is_missing_from_the_start_stops_nothing",
        "test_when_redis_is_back_the_sites_count_in_it_again",
    ],
    "Redis hangs": [
        "test_nobody_waits_long_for_a_redis_that_hangs",
    ],
    "the inference server is slow": [
        "test_with_a_slow_inference_server_a_visitor_is_told_so_in_time",
        "test_an_mlserver_that_hangs_is_given_up_left_alone_and_asked_again",
    ],
    "the inference server fails or is gone": [
        "test_with_a_failing_inference_server_visitors_are_told_at_once_until_it_is_back",
        "test_with_an_inference_server_that_is_gone_a_visitor_is_told_so",
    ],
    "the inference server is gone when the site starts, or has another network": [
        "test_a_server_that_is_gone_at_the_start_is_no_engine",
        "test_another_model_on_the_server_is_no_engine",
    ],
    "the process is killed, as for want of memory": [
        "test_a_worker_that_is_killed_in_mid_request_is_replaced_and_who_comes_meanwhile_is_answered",
    ],
    "the clock is put back, or on by more than 12 hours": [
        "test_after_a_jump_of_the_clock_a_page_is_at_most_to_be_opened_again",
        "test_a_clock_that_jumps_while_a_photo_waits_changes_nothing",
        "test_a_clock_that_is_put_right_locks_nobody_out",
    ],
    "clients send or take a byte now and then": [
        "test_the_site_answers_while_more_clients_are_slow_than_it_has_threads",
        "test_who_sends_no_whole_head_holds_no_thread_and_is_cut_off",
        "test_who_sends_no_whole_small_body_holds_no_thread_and_is_cut_off",
        "test_half_a_head_behind_an_answered_request_holds_no_thread_and_is_served_once_it_is_whole",
        "test_a_body_that_trickles_gives_its_thread_back",
        "test_who_goes_on_sending_after_the_answer_is_cut_off",
        "test_who_does_not_take_the_answer_holds_no_thread_and_is_cut_off",
        "test_answers_that_nobody_takes_are_dropped_before_they_fill_the_memory",
    ],
    "more connections are open than the site takes": [
        "test_when_all_connections_are_taken_a_new_one_gets_the_place_of_who_waits_longest",
    ],
    "no more files can be opened": [
        "test_where_no_file_can_be_opened_the_site_waits_and_goes_on",
        "test_no_more_connections_are_taken_than_files_can_be_opened",
    ],
    "requests made to be hard to read: endless headers, malformed ones, forms of very many parts": [
        "test_more_headers_than_a_browser_sends_are_refused",
        "test_what_is_no_request_is_refused_without_a_word_of_it_and_with_the_sites_headers",
        "test_a_malformed_chunk_is_a_request_that_cannot_be_understood",
        "test_a_form_made_to_be_hard_to_read_is_refused_in_no_time",
    ],
    "a client hangs up while its photo waits": [
        "test_a_client_that_hangs_up_gives_its_place_to_another",
        "test_who_hangs_up_while_waiting_for_decoding_waits_no_longer",
    ],
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_says_what_everybody_sees_and_what_to_do(row):
    assert len(row) == 4
    assert all(cell.strip() for cell in row)


def test_each_row_has_tests_that_show_it_and_no_tests_have_lost_their_row():
    assert [row[0] for row in ROWS] == list(SHOWN_BY)


@pytest.mark.parametrize("what", SHOWN_BY)
def test_a_fault_is_shown_by_tests_that_exist(what):
    assert SHOWN_BY[what]
    assert set(SHOWN_BY[what]) <= TESTS
