#!/bin/sh
# Pictures of the window, made without a screen: gui/screenshots.sh [FOLDER]
#
# Needs: apt-get install -y --no-install-recommends xvfb scrot xdotool libgl1 libegl1 libgl1-mesa-dri libxkbcommon-x11-0 libxcursor1 libxi6 libxrandr2
# and `cargo build --release --workspace`. BIN is the folder of the programs. Look at every picture before you believe it.
# RUN is a run with every probe (one is made of the laboratory otherwise); ONLY is a pattern of the pictures to make.
set -eu
out=${1:-screenshots}
bin=${BIN:-target/release}
mkdir -p "$out"
work=$(mktemp -d)
# Settings of the person at this machine stay as they are.
export XDG_DATA_HOME="$work/data" XDG_RUNTIME_DIR="$work" DISPLAY="${SCREEN:-:87}"
Xvfb "$DISPLAY" -screen 0 1320x880x24 -nolisten tcp >"$work/xvfb.log" 2>&1 &
screen=$!
window=
trap 'kill $window $screen 2>/dev/null || true; rm -rf "$work"' EXIT
sleep 2

# shoot NAME THEME RUN [ACTION ...]: opens a run, does what is asked, and takes the picture. An action is X,Y (a click there), a key as
# xdotool names it (ctrl+3), or wheel:N (N steps of the wheel downwards, in the middle of the window).
shoot() {
    name=$1 theme=$2 run=$3
    shift 3
    case "$name" in ${ONLY:-*}) ;; *) return 0 ;; esac
    "$bin/babelscope-gui" "$run" --theme "$theme" --root "$work/runs" >"$work/$name.log" 2>&1 &
    window=$!
    # There is no window manager: the window has to be told that it has the keys.
    id=$(xdotool search --sync --onlyvisible --name Babelscope | head -1)
    sleep "${WAIT:-4}"
    xdotool windowmove "$id" 0 0 windowsize "$id" 1320 880 windowfocus "$id"
    for action in "$@"; do
        case "$action" in
            *,*) xdotool mousemove "${action%,*}" "${action#*,}" click 1 ;;
            wheel:*) xdotool mousemove 700 600 click --repeat "${action#wheel:}" --delay 60 5 ;;
            *) xdotool key "$action" ;;
        esac
        sleep 1
    done
    xdotool mousemove 1310 870
    sleep 2
    scrot -o "$out/$name.png"
    kill "$window"
    wait "$window" 2>/dev/null || true
    window=
    echo "$out/$name.png"
}

every=${RUN:-}
if [ -z "$every" ]; then
    cat >"$work/every.toml" <<'TOML'
name = "every-probe"
schema = 1

[[model]]
path = "lab"

[data]
path = "lab"
limit = 60

[[probe]]
kind = "align"
pivots = []

[[probe]]
kind = "retrieval"
pivots = ["eng_Latn"]

[[probe]]
kind = "similarity"
pivots = ["eng_Latn"]

[[probe]]
kind = "structure"
pivots = ["eng_Latn"]

[[probe]]
kind = "classify"
targets = ["language", "label"]
labels = "lab:colour"

[[probe]]
kind = "map"

[[probe]]
kind = "neurons"

[[probe]]
kind = "tokenizer"
pivots = []

[[probe]]
kind = "tasks"

[[probe]]
kind = "lens"
texts = ["The red bird sings"]

[[probe]]
kind = "vector"
targets = ["spa_Latn", "hin_Deva", "arb_Arab", "zho_Hans"]

[[probe]]
kind = "compare"
texts = ["The red bird", "Anna lives in the"]
source = "eng_Latn"
target = "hin_Deva"
layer = 3
strength = 0.6

[[probe]]
kind = "patch"
experiment = "grid"

[[probe.pairs]]
clean = "Anna lives in the"
corrupt = "Peter lives in the"
answer = ["village"]
wrong = ["city"]
language = "eng_Latn"
TOML
    "$bin/babelscope" --runs "$work/runs" run "$work/every.toml" >"$work/run.log" 2>&1 || { cat "$work/run.log"; exit 1; }
    every=$(find "$work/runs" -mindepth 1 -maxdepth 1 -type d | head -1)
fi
for theme in light dark; do
    shoot "alignment_$theme" "$theme" "$every" ${ALIGNMENT_CLICK:-}
    shoot "pairs_$theme" "$theme" "$every" wheel:30
    shoot "subspace_$theme" "$theme" "$every" ctrl+3
    shoot "places_$theme" "$theme" "$every" ctrl+3 wheel:8
    shoot "distances_$theme" "$theme" "$every" ctrl+3 wheel:40
    shoot "probes_$theme" "$theme" "$every" ctrl+3 "${PROBES_TAB:-302,70}"
    shoot "neurons_$theme" "$theme" "$every" ctrl+3 "${NEURONS_TAB:-400,70}"
    shoot "switched_off_$theme" "$theme" "$every" ctrl+3 "${NEURONS_TAB:-400,70}" wheel:40
    shoot "map_$theme" "$theme" "$every" ctrl+4 ${MAP_CLICK:-}
    shoot "tokenizer_$theme" "$theme" "$every" ctrl+5
    shoot "vocabulary_$theme" "$theme" "$every" ctrl+5 "${VOCABULARY_TAB:-302,70}"
    shoot "tasks_$theme" "$theme" "$every" ctrl+5 "${TASKS_TAB:-400,70}"
    shoot "runs_$theme" "$theme" "$every" ctrl+1
    shoot "steering_$theme" "$theme" "$every" ctrl+7
    shoot "change_$theme" "$theme" "$every" ctrl+7 wheel:30
    shoot "vectors_$theme" "$theme" "$every" ctrl+7 "${VECTORS_TAB:-302,70}"
    shoot "card_$theme" "$theme" "$every" ctrl+7 "${VECTORS_TAB:-302,70}" wheel:30
    shoot "evaluation_$theme" "$theme" "$every" ctrl+7 "${EVALUATION_TAB:-400,70}"
    shoot "patching_$theme" "$theme" "$every" ctrl+8 wheel:6
    shoot "two_runs_$theme" "$theme" "$every" ctrl+8 wheel:30
done
# A line of the laboratory's corpus in each script, or any sentence in LENS_TEXTS (name=sentence, one a line).
texts=${LENS_TEXTS:-"arabic=لدى يوسف أربعة أرانب سوداء.
hindi=अमित बंदरगाह पर तीन लाल चिड़ियाँ देखता है।
thai=วิชัยซื้อตะกร้าสีเขียวสามใบในปราสาท
chinese=建军在港口看见三只红色的鸟。"}
echo "$texts" | while IFS='=' read -r name text; do
    "$bin/babelscope" lens --model lab --text "$text" --out "$work/runs/lens-$name" >"$work/lens.log"
done
for name in $(echo "$texts" | cut -d= -f1); do
    for theme in light dark; do
        shoot "lens_${name}_$theme" "$theme" "$work/runs/lens-$name" ${LENS_CLICK:-}
    done
done
