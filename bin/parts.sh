# Sourced by scripts that run several parts of the tests at once: they wait more than they compute.
# The first part's output is seen as it comes, that of the others after it. `folder` is the script's
# own, which it removes at its end, after `end_parts`.

given=$# # of the script
pids=()
titles=()
logs=()
worst=0
processes=${TEST_PROCESSES:-$(nproc)} # of each part

# What every local back end needs first is made once for all processes (tests/warm.py); in memory,
# where there is some.
export BINDERY_TEST_SHARED=$folder/shared

pytest() {
    setpriv --pdeathsig TERM .venv/bin/python -m pytest -n "$processes" --dist loadgroup \
        --durations=25 --durations-min=1 "$@"
}

# A part with a data folder of its own; its exit code. Where the script was given arguments, it may
# be that none of the chosen tests is left for a part (pytest's 5).
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

# In the background too, since bash hears of a signal only when it waits.
foremost() { # TITLE NAME ARGUMENT...
    echo "== $1"
    part "${@:2}" &
    pids+=($!)
    wait $! || worst=$?
    unset 'pids[-1]'
}

# Waits for what runs beside, and shows it.
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
