# Sourced by scripts that run several parts of the tests concurrently: tests wait more than they
# compute. The output of the foremost part is shown live, and that of the others after it. `folder`
# belongs to the script, which removes it at its end, after `end_parts`.

given=$# # the number of the script's arguments
pids=()
titles=()
logs=()
worst=0
processes=${TEST_PROCESSES:-$(nproc)} # of a part that does not say otherwise with -n

# Everything that each local back end prepares at its start is prepared once for all processes
# (tests/warm.py), in memory if possible.
export BINDERY_TEST_SHARED=$folder/shared

# In a session of its own: Linux shares the processors between sessions, and each browser and each
# process of a portal has one.
pytest() {
    setsid setpriv --pdeathsig TERM .venv/bin/python -m pytest -n "$processes" --dist loadgroup \
        --durations=25 --durations-min=1 "$@"
}

# Run a part with a data folder of its own, and return its exit code. If the script got arguments,
# a part may have none of the selected tests (pytest's exit code 5); that is no failure.
part() { # NAME ARGUMENT...
    local name=$1 code=0
    shift
    PORTAL_DATA=$folder/data-$name pytest "$@" || code=$?
    [ $code != 5 ] || [ "$given" = 0 ] || code=0
    return $code
}

beside() { # TITLE NAME ARGUMENT...
    titles+=("$1")
    logs+=("$folder/$2.log")
    part "${@:2}" >"$folder/$2.log" 2>&1 &
    pids+=($!)
}

# Also in the background, since bash handles a signal only while it waits.
foremost() { # TITLE NAME ARGUMENT...
    echo "== $1"
    part "${@:2}" &
    pids+=($!)
    wait $! || worst=$?
    unset 'pids[-1]'
}

# Wait for the concurrent parts, and show their output.
await_parts() {
    local number
    for number in "${!titles[@]}"; do
        wait "${pids[$number]}" || worst=$?
        echo "== ${titles[$number]}, at the same time"
        cat "${logs[$number]}"
    done
    pids=()
}

end_parts() {
    ((${#pids[@]} == 0)) || kill "${pids[@]}" 2>/dev/null || true
}
