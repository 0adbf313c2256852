#!/bin/sh
# Pictures of the window, made without a screen: gui/screenshots.sh [FOLDER]
#
# Needs: apt-get install -y --no-install-recommends xvfb scrot xdotool libgl1 libegl1 libgl1-mesa-dri libxkbcommon-x11-0 libxcursor1 libxi6 libxrandr2
# and `cargo build --release --workspace`. BIN is the folder of the programs. Look at every picture before you believe it.
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

# shoot NAME THEME RUN [X Y]: opens a run, clicks at X Y when they are given, and takes the picture.
shoot() {
    "$bin/babelscope-gui" "$3" --theme "$2" --root "$work/runs" >"$work/$1.log" 2>&1 &
    window=$!
    # There is no window manager: the window has to be told that it has the keys.
    id=$(xdotool search --sync --onlyvisible --name Babelscope | head -1)
    sleep "${WAIT:-4}"
    xdotool windowmove "$id" 0 0 windowsize "$id" 1320 880 windowfocus "$id"
    if [ $# -ge 5 ]; then
        xdotool mousemove "$4" "$5" click 1
    fi
    xdotool mousemove 1310 870
    sleep 2
    scrot -o "$out/$1.png"
    kill "$window"
    wait "$window" 2>/dev/null || true
    window=
    echo "$out/$1.png"
}

"$bin/babelscope" --runs "$work/runs" demo >"$work/demo.log"
demo=$(find "$work/runs" -mindepth 1 -maxdepth 1 -type d | head -1)
for theme in light dark; do
    shoot "alignment_$theme" "$theme" "$demo" ${ALIGNMENT_CLICK:-}
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
