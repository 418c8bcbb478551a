from farcell.remote_runtime.spawners.docker.build_output import LAST_LINES, BuildOutput, pull_line

RED, PLAIN = "\x1b[91m", "\x1b[0m"


def hear(output, *texts):
    return [line for text in texts for line in output.take({"stream": text})]


def test_lines_belong_to_the_step_of_their_instruction():
    output = BuildOutput((1, 2, 2, 3))
    assert hear(output, "Step 1/4 : FROM debian\n", " ---> 0123456789ab\n") == []
    assert output.step == 1
    assert hear(output, 'Step 3/4 : RUN ["a"]\n', " ---> Running in 0123456789ab\n", "a\nb\n") == ["a", "b"]
    assert output.step == 2
    assert hear(output, "Step 4/4 : ENV A=1\n", "Removing intermediate container 0123456789ab\n") == []
    assert output.step == 3
    assert output.failure is None


def test_a_line_comes_when_it_is_whole():
    output = BuildOutput((1,))
    assert hear(output, "one", " lin", "e\ntwo") == ["one line"]
    assert hear(output, "\n") == ["two"]


def test_what_terminals_do_is_left_out_and_of_a_redrawn_line_the_last_stays():
    output = BuildOutput((1,))
    assert hear(output, f"{RED}error{PLAIN}{RED}: no\n{PLAIN}") == ["error: no"]
    assert hear(output, "10%\r50%\r100%\n", "dos\r\n", "\x1b]0;title\x07\x1b[2Jx\n") == ["100%", "dos", "x"]
    assert hear(output, f"{PLAIN}Removing intermediate container 0123456789ab\n") == []


def test_a_failure_has_the_last_lines_of_its_instruction():
    output = BuildOutput((1, 2))
    hear(output, "before\n", "Step 2/2 : RUN x\n", *(f"{number}\n" for number in range(50)), "the end")
    taken = output.take({"error": "The command 'x' returned a non-zero code: 7", "errorDetail": {"code": 7}})
    assert taken == ["the end"]
    assert output.failure is not None
    assert output.failure.step == 2
    assert output.failure.code == 7
    assert output.failure.reason == "exit status 7"
    assert len(output.failure.lines) == LAST_LINES
    assert output.failure.lines[-2:] == ("49", "the end")


def test_a_failure_has_no_line_of_an_instruction_before():
    output = BuildOutput((1, 2))
    hear(output, "before\n", "Step 2/2 : RUN x\n", "its own\n")
    output.take({"error": "x", "errorDetail": {"code": 1}})
    assert output.failure is not None
    assert output.failure.lines == ("its own",)


def test_a_failure_without_a_command_has_the_engines_words():
    output = BuildOutput((1, 2))
    hear(output, "Step 2/2 : COPY x\n")
    output.take({"error": "no space left on device", "errorDetail": {"message": "no space left on device"}})
    assert output.failure is not None
    assert output.failure.reason == "no space left on device"


def test_a_killed_command_is_said_to_have_been():
    output = BuildOutput((1,))
    output.take({"error": "x", "errorDetail": {"code": 137}})
    assert output.failure is not None
    assert "killed" in output.failure.reason


def test_output_that_looks_like_an_instruction_of_no_recipe_changes_nothing():
    output = BuildOutput((1, 2))
    hear(output, "Step 2/2 : RUN x\n", "Step 99/2 : FROM elsewhere\n", "Step 0/2 : a\n")
    assert output.step == 2


def test_a_pull_says_what_each_layer_does():
    assert (
        pull_line({"status": "Pulling from library/debian", "id": "12"}) == "12: Pulling from library/debian"
    )
    progress = {"status": "Downloading", "id": "ab", "progress": "[=> ] 1MB/9MB", "progressDetail": {}}
    assert pull_line(progress) == "ab: Downloading [=> ] 1MB/9MB"
    assert pull_line({"status": "Status: \x1b[31mdone"}) == "Status: done"
