#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cli_test.sh <molmo> <models> <scratch folder> <cmake> [<shared>]: calls the tool as a user does and looks at what it
# prints where, and at its exit codes. Prints each check that fails; ends with 1 if any did.
set -u
molmo=$1 models=$2 scratch=$3 cmake=$4 shared=${5:-}
here=$(cd "$(dirname "$0")" && pwd)
demo=$models/shakespeare
unset MOLMO_NUM_THREADS NO_COLOR
checks=0 failures=0

rm -rf "$scratch"
mkdir -p "$scratch"
cd "$scratch" || exit 1

bad() {
  failures=$((failures + 1))
  echo "FAILED: $*"
  echo "  stdout: $(head -c 400 out)"
  echo "  stderr: $(head -c 800 err)"
}
# run <expected exit code> <arguments ...>: standard output and error are left in out and err.
run() {
  expected=$1
  shift
  checks=$((checks + 1))
  "$molmo" "$@" > out 2> err < /dev/null
  code=$?
  [ $code -eq "$expected" ] || bad "exit code $code instead of $expected: molmo $*"
}
# fails <code> <words in the message> <arguments ...>: nothing on standard output, the words on standard error.
fails() {
  expected=$1 words=$2
  shift 2
  run "$expected" "$@"
  [ ! -s out ] || bad "a failure printed to standard output: molmo $*"
  grep -q -e "$words" err || bad "the message lacks '$words': molmo $*"
}
prints() { grep -q -e "$1" out || bad "standard output lacks '$1': $2"; }
quiet() { [ ! -s err ] || bad "standard error is not empty: $1"; }
same() { cmp -s "$1" "$2" || bad "$1 and $2 differ: $3"; }
json() { "$cmake" -D file=out "-Dat=$1" -P "$here/read_json.cmake" 2> json_error || bad "no JSON, or no $1 in it"; }
copy_demo() {
  rm -rf "$1"
  cp -r "$demo" "$1"
  chmod -R u+w "$1"
}

# --- help and version
run 0 --help; prints "Exit codes" help; quiet help
for command in generate inspect bench quantize perplexity models; do run 0 $command --help; prints "Usage: molmo $command" "help of $command"; done
run 0 --version; prints "^molmo [0-9]*\.[0-9]*\.[0-9]*" version; prints "^compiler" version; prints "^backends.*reference" version
if [ -e "$models/../.git" ] && git -C "$models/.." rev-parse HEAD > /dev/null 2>&1; then
  prints "^commit  *[0-9a-f]\{12\}" version
fi
fails 2 "Usage"
for command in chat tokenize nonsense; do
  fails 2 "no command '$command'; there are generate, inspect" $command
  fails 2 "no command '$command'" $command --help
  fails 2 "no command '$command'" --help $command
done
fails 2 "no command 'genrate'; did you mean generate?" genrate "$demo" -p a
fails 2 "did you mean quantize?" quantise --help
fails 2 "did you mean --help?" help
fails 2 "molmo generate --help" generate
fails 2 "generate has no option '--turbo'; see molmo generate --help" generate "$demo" --prompt a --turbo
fails 2 "no option '--promt'; did you mean --prompt?" generate "$demo" --promt x
fails 2 "no option '--promt'; did you mean --prompt?" generate "$demo" --promt=x
fails 2 "no option '--temp'; did you mean --temperature?" generate "$demo" -p a --temp 1
fails 2 "no option '--fromat'; did you mean --format?" quantize "$demo" --fromat q8 --out new
fails 2 "no option '-x'; see" generate "$demo" -p a -x
fails 2 "write --prompt behind the command" --prompt x generate "$demo"
fails 2 "the argument 'more'; see molmo generate --help" generate "$demo" more words -p a
run 0 bench --help
grep -q -e "{false}" -e "Excludes" out && bad "the help of bench shows the inside of options"

# --- texts
run 0 generate "$demo" --prompt "ROMEO:" --max-new 40 --temperature 0; cp out greedy; quiet generate
[ "$(wc -c < greedy)" -gt 40 ] || bad "a text of 40 tokens is too short"
for backend in $("$molmo" --version | sed -n 's/^backends *//p' | tr '|' ' '); do
  for threads in 1 2 3; do
    run 0 generate "$demo" --prompt "ROMEO:" -n 40 -T 0 --backend "$backend" --threads $threads
    same out greedy "$backend with $threads threads"
  done
done
printf 'ROMEO:' > prompt
run 0 generate "$demo" --prompt-file prompt -n 40 -T 0; same out greedy "--prompt-file"
"$molmo" generate "$demo" --prompt - -n 40 -T 0 < prompt > out 2> err; same out greedy "--prompt -"
run 0 generate "$demo" -p "ROMEO:" -n 40 -T 0 --echo; { printf 'ROMEO:'; cat greedy; } > echoed; same out echoed "--echo"
run 0 generate "$demo" -p "ROMEO:" -n 40 -k 1 -s 9; same out greedy "--top-k 1"
run 0 generate "$demo" -p "ROMEO:" -n 40; cp out drawn
cmp -s drawn greedy && bad "generation_config.json asks for sampling, but the text is the greedy one"
run 0 generate "$demo" -p "ROMEO:" -n 40; same out drawn "the same seed"
run 0 generate "$demo" -p "ROMEO:" -n 40 --seed 1; cmp -s out drawn && bad "another seed gives the same text"
run 0 generate "$demo" --prompt "" -n 5; [ "$(wc -c < out)" -gt 2 ] || bad "an empty prompt gives no text"
run 0 generate "$demo" -p "ROMEO:" -n 0; [ "$(wc -c < out)" -eq 1 ] || bad "--max-new 0 gives text"
if [ -n "$shared" ] && [ -d "$shared/models/stories260K" ]; then
  run 0 generate "$shared/models/stories260K" --prompt "" --max-new 100 --temperature 0; quiet stories260K
  cat > story << 'STORY'
Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, she saw a big, red ball. She wanted to play with it, but it was too high.
Lily's mom said, "Lily, let's go to the park." Lily was sad and didn't know w
STORY
  same out story "stories260K"
  run 0 inspect "$shared/models/stories260K"; prints "compiled in as stories260k" "inspect stories260K"
else
  echo "note: stories260K is not on this machine; its text is not checked"
fi

# --- figures and JSON
run 0 generate "$demo" -p "ROMEO:" -n 40 -T 0 --stats; same out greedy "--stats leaves the text alone"
grep -q "tokens/s" err || bad "--stats prints no speed"
run 0 generate "$demo" -p "ROMEO:" -n 40 -T 0 --json
[ "$(json text)" = "$(cat greedy)" ] || bad "--json has another text"
[ "$(json finish_reason)" = max_new ] || bad "--json: finish_reason"
[ "$(json new_tokens)" = 40 ] || bad "--json: new_tokens"
json "stats;decode_tokens_per_second" > /dev/null
run 0 generate "$demo" -p "$(printf 'a "quoted" \\ line\nand\ta tab')" -n 1 --json
[ "$(json prompt)" = "$(printf 'a "quoted" \\ line\nand\ta tab')" ] || bad "--json: the prompt is not quoted right"
run 0 generate "$demo" -p "x" -n 600 -T 0 --json; [ "$(json finish_reason)" = context_full ] || bad "--json: context_full"
run 0 inspect "$demo"; prints "compiled in as shakespeare" inspect; prints "1,772,224" inspect; prints "KV cache" inspect; prints "d_model  *192" inspect
run 0 inspect "$demo" --json --context 100
[ "$(json parameters)" = 1772224 ] || bad "inspect --json: parameters"
[ "$(json "memory;kv_cache")" = 229376 ] || bad "inspect --json: kv_cache"
[ "$(json "config;norm_after")" = ON ] || [ "$(json "config;norm_after")" = true ] || bad "inspect --json: norm_after"
run 0 bench --config stories260k --prefill 8 --decode 4 --repeat 2 --threads 1; prints "decode .*tokens/s" bench
run 0 bench "$demo" --prefill 8 --decode 4 --repeat 2 --json
[ "$(json "repetitions")" = 2 ] || bad "bench --json: repetitions"
json "decode;tokens_per_second" > /dev/null
for at in "limits;0;barrier_seconds" "decode_ops;0;share_of_limit" "prefill_ops;0;seconds" "latency;p99" "latency;histogram;counts;0" \
  load_seconds start_to_first_token_seconds; do json "$at" > /dev/null; done
grep -q ', *[]}]' out && bad "bench --json: a comma before a bracket"
[ "$(tail -c 2 out)" = "}" ] || bad "bench --json: something after the object"
[ "$(json "latency;steps")" = 8 ] || bad "bench --json: a latency for each decoded token"
[ "$(json "decode_ops;1;calls")" = 4 ] || bad "bench --json: an op of each layer"
near() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a > 0 && b > 0 && a < 3 * b && b < 3 * a) }'; }
for attempt in 1 2 3; do  # the limits are measured twice, perhaps beside other work
  run 0 bench "$demo" --prefill 1 --decode 9 --repeat 1 --no-ops --threads 1 --json
  bytes=$(json "decode;bytes_per_token") read=$(json "decode;limit_bytes_per_second") flops=$(json "prefill;limit_flops_per_second")
  run 0 generate "$demo" --prompt "" -n 10 --threads 1 --json
  [ "$(json prompt_tokens)" = 1 ] && [ "$(json "stats;bytes_per_token")" = "$bytes" ] || bad "generate and bench count other bytes of a token, $bytes in bench"
  near "$read" "$(json "stats;limit_read_bytes_per_second")" && near "$flops" "$(json "stats;limit_flops_per_second")" && break
  [ $attempt -lt 3 ] || bad "generate and bench measure other limits, $read and $flops in bench"
done
run 0 bench --config stories260k --prefill 8 --decode 4 --repeat 1 --threads 1 --format q8 --csv
[ "$(head -n 1 out)" = "table,row,column,value" ] || bad "bench --csv: header"
[ "$(grep -v -c '^[a-z_]*,[^,]*,[a-z0-9_]*,-\{0,1\}[0-9.e+-]*$' out)" -eq 1 ] || bad "bench --csv: a line is no table,row,column,value"
prints "^latency,.*,p50," "bench --csv"
run 0 bench --config stories260k --prefill 8 --decode 0 --repeat 1 --threads 1 --markdown
prints "^| q k v " "bench --markdown"; prints "^|--" "bench --markdown"
run 0 bench --config stories260k --prefill 8 --decode 4 --repeat 1 --threads 1 --no-ops
grep -q "gate up" out && bad "bench --no-ops times ops"
fails 2 "one of --json, --csv and --markdown" bench --config stories260k --json --csv
run 0 models; prints "shakespeare" models; prints "olmo2_1b.*allenai/OLMo-2-0425-1B" models
run 0 models --json; json "models;0;name" > /dev/null

# --- fewer bits, and what they cost
run 0 quantize "$demo" --format q8 --out q8; quiet quantize; prints "28 matrices in q8, 1 kept" quantize
[ "$(ls q8 | tr '\n' ' ')" = "config.json generation_config.json model.safetensors tokenizer.json tokenizer_config.json " ] || bad "quantize leaves $(ls q8)"
run 0 inspect q8; prints "compiled in as shakespeare" "inspect q8"; prints "28 of q8" "inspect q8"; prints "all of them fit" "inspect q8"
run 0 inspect q8 --json; [ "$(json "weights;formats;q8")" = 28 ] || bad "inspect --json: formats"
run 0 generate q8 --prompt "ROMEO:" --max-new 40 --temperature 0; cp out greedy_q8; quiet "generate q8"
for backend in $("$molmo" --version | sed -n 's/^backends *//p' | tr '|' ' '); do
  for threads in 1 2; do
    run 0 generate q8 --prompt "ROMEO:" -n 20 -T 0 --backend "$backend" --threads $threads
    [ "$(wc -c < out)" -gt 20 ] || bad "$backend writes no text with q8"
  done
done
run 0 quantize "$demo" --format q4 --out q4 --keep none --json
[ "$(json converted)" = 29 ] || bad "quantize --keep none: converted"
[ "$(json kept)" = 0 ] || bad "quantize --keep none: kept"
run 0 generate q4 --prompt "ROMEO:" --max-new 10 --temperature 0; quiet "generate q4"
run 0 quantize "$demo" --format f16 --out f16; prints "29 matrices in f16, 0 kept" "quantize to f16"
run 0 quantize "$demo" --format q4 --out some --keep down_proj,embeddings; prints "24 matrices in q4, 5 kept" "quantize --keep"
i=0
while [ $i -lt 60 ]; do echo "First Citizen: Before we proceed any further, hear me speak, number $i."; i=$((i + 1)); done > plays
# perplexity_of <folder> <options ...>: of plays, in thousandths
perplexity_of() { run 0 perplexity "$@" --text plays --json; json perplexity | awk '{ printf "%d", 1000 * $1 }'; }
run 0 perplexity "$demo" --text plays --bos 0; prints "^perplexity  *[0-9]" perplexity; prints "1 window of\|windows of 512 positions" perplexity; quiet perplexity
plain=$(perplexity_of "$demo" --bos 0)
[ "$plain" -gt 2000 ] && [ "$plain" -lt 1000000 ] || bad "the perplexity is $plain thousandths"
for folder in f16 q8; do
  this=$(perplexity_of $folder --bos 0)
  [ "$this" -gt $((plain * 99 / 100)) ] && [ "$this" -lt $((plain * 101 / 100)) ] || bad "perplexity of $folder: $this against $plain"
done
for options in "--threads 1" "--threads 2" "--threads 3"; do
  # shellcheck disable=SC2086
  [ "$(perplexity_of "$demo" --bos 0 $options)" = "$plain" ] || bad "perplexity with $options"
done
short=$(perplexity_of "$demo" --bos 0 --context 16); [ "$(json windows)" -gt 50 ] || bad "perplexity: windows"
overlapping=$(perplexity_of "$demo" --bos 0 --context 16 --stride 4); [ "$(json tokens)" = "$(json text_tokens)" ] || bad "perplexity: tokens"
[ "$overlapping" -lt "$short" ] || bad "windows that overlap do not help: $overlapping against $short"
run 0 perplexity "$demo" --text plays --json; [ "$(json tokens)" = $(($(json text_tokens) - 1)) ] || bad "perplexity: the first token has nothing before it"
"$molmo" perplexity "$demo" --text - --bos 0 --json < plays > out 2> err; [ "$(json perplexity | awk '{ printf "%d", 1000 * $1 }')" = "$plain" ] || bad "perplexity --text -"
if python3 -c "import numpy" 2> /dev/null; then
  for folder in q8 q4; do
    checks=$((checks + 1))
    python3 "$here/numpy_reader.py" "$here/../../docs/quantisation.md" "$demo/model.safetensors" $folder/model.safetensors > out 2> err || bad "numpy reads other weights from $folder"
  done
else
  echo "note: there is no numpy; the reader of docs/quantisation.md is not run"
fi
fails 1 "has files in it" quantize "$demo" --format q8 --out q8
fails 1 "quantised already" quantize q8 --format q4 --out new
fails 2 "no matrix is called so" quantize "$demo" --format q8 --out new --keep heads
fails 2 "cannot stand beside" quantize "$demo" --format q8 --out new --keep none,head
fails 2 "q3" quantize "$demo" --format q3 --out new
fails 2 "format" quantize "$demo" --out new
fails 2 "out" quantize "$demo" --format q8
fails 1 "does not exist" quantize nowhere --format q8 --out new
fails 2 "text" perplexity "$demo"
fails 1 "nowhere" perplexity "$demo" --text nowhere
fails 2 "stride" perplexity "$demo" --text plays --context 16 --stride 17
fails 2 "stride" perplexity "$demo" --text plays --stride -1
fails 2 "bos" perplexity "$demo" --text plays --bos 1024
fails 2 "not both" perplexity "$demo" --text plays --bos 0 --no-bos
: > nothing
fails 1 "nothing" perplexity "$demo" --text nothing
printf 'a' > one
fails 1 "too short" perplexity "$demo" --text one
[ ! -e new ] || bad "a failed quantize leaves a folder"
cp -r q8 damaged_q8; sed 's/q_proj.weight_scale/q_proj.weight_scole/' q8/model.safetensors > damaged_q8/model.safetensors
fails 1 "missing: .*q_proj.weight_scale" generate damaged_q8 -p a
sed 's/"panels16"/"panels61"/' q8/config.json > damaged_q8/config.json
fails 1 "panels61" inspect damaged_q8

# --- files that others may change, links, leftovers, names
run 0 generate "$demo" -p "ROMEO:" -n 40 -T 0 --copy; same out greedy "generate --copy"
run 0 quantize "$demo" --format q8 --out q8_copied --copy
cmp -s q8/model.safetensors q8_copied/model.safetensors || bad "quantize --copy writes another file"
run 0 inspect "$demo" --copy; prints "all of them fit" "inspect --copy"
copy_demo linked; mv linked/model.safetensors weights_elsewhere; ln -s ../weights_elsewhere linked/model.safetensors
for command in "generate linked -p a -n 1" "inspect linked" "perplexity linked --text plays" "quantize linked --format q8 --out q8_linked" \
  "bench linked --prefill 2 --decode 1 --repeat 1 --no-ops"; do
  fails 1 "leads out of its folder.*(the tool: --follow-symlinks)" $command
  run 0 $command --follow-symlinks
done
copy_demo secret; ln -s /etc/hostname secret/chat_template.jinja
fails 1 "chat_template.jinja' is a link that leads out" quantize secret --format q8 --out q8_secret
[ ! -e q8_secret ] || bad "a refused quantize leaves a folder"
mkdir left; : > left/model.safetensors.part
fails 1 "holds 'model.safetensors.part'.*remove that folder" quantize "$demo" --format q8 --out left
escape=$(printf 'named\033]0;x')
copy_demo "$escape"; sed 's/"intermediate_size": *512/"intermediate_size": 516/' "$escape/config.json" > changed; mv changed "$escape/config.json"
run 1 generate "$escape" -p a
run 0 inspect "$escape"
cat out err | grep -q "$(printf '\033]')" && bad "the name of a folder reaches the terminal as it is"
if (ulimit -v 1000000) 2> /dev/null; then  # a thread that cannot be started is named, whatever else is too little
  for kilobytes in 9000 12000 16000 20000 24000 32000 40000 44000 46000 48000 50000 52000 56000; do
    (ulimit -v $kilobytes; "$molmo" generate "$demo" -p a -n 1) > out 2> err < /dev/null
    checks=$((checks + 1))
    grep -q "^molmo: Resource temporarily unavailable" err && bad "a thread that cannot be started is not named ($kilobytes kB)"
    grep -q "system error [0-9]" err && bad "an error of the system has a number for a name ($kilobytes kB)"
  done
fi

# --- threads
MOLMO_NUM_THREADS=2 "$molmo" generate "$demo" -p a -n 2 --json > out 2> err; [ "$(json "options;threads")" = 2 ] || bad "MOLMO_NUM_THREADS is not heard"
MOLMO_NUM_THREADS=2 "$molmo" generate "$demo" -p a -n 2 --json -t 3 > out 2> err; [ "$(json "options;threads")" = 3 ] || bad "--threads does not come before MOLMO_NUM_THREADS"
MOLMO_NUM_THREADS=many "$molmo" generate "$demo" -p a > out 2> err; [ $? -eq 2 ] || bad "MOLMO_NUM_THREADS=many is taken"

# --- wrong usage
fails 2 "no prompt" generate "$demo"
fails 2 "not both" generate "$demo" -p a -f prompt
fails 2 "max-new is '99999999999999999999'; it must be a whole number from 0 to" generate "$demo" -p a -n 99999999999999999999
for seed in -1 18446744073709551616 100000000000000000000000 1.5 0x10 ten; do
  fails 2 "seed is '$seed'; it must be a whole number from 0 to 18446744073709551615" generate "$demo" -p a --seed $seed
done
run 0 generate "$demo" -p a -n 1 --seed 18446744073709551615 --json; [ "$(json "options;seed")" = 18446744073709551615 ] || bad "the largest seed"
fails 2 "top-k is '9223372036854775808'" generate "$demo" -p a --top-k 9223372036854775808
fails 2 "threads is '4294967297'" generate "$demo" -p a --threads 4294967297
fails 2 "temperature is '1e400'" generate "$demo" -p a --temperature 1e400
fails 2 "bos is '4294967296'" perplexity "$demo" --text prompt --bos 4294967296
fails 2 "context is '0'" generate "$demo" -p a --context 0
fails 2 "repeat is '0'" bench --repeat 0
fails 2 "temperature" generate "$demo" -p a --temperature -1
fails 2 "temperature" generate "$demo" -p a --temperature nan
fails 2 "temperature" generate "$demo" -p a --temperature warm
fails 2 "top_p" generate "$demo" -p a --top-p 1.5
fails 2 "top-k is '-3'" generate "$demo" -p a --top-k -3
fails 2 "max-new" generate "$demo" -p a --max-new -1
fails 2 "max-new" generate "$demo" -p a --max-new 99999999999999999999
fails 2 "context" generate "$demo" -p a --context -5
fails 2 "context" generate "$demo" -p a --context 4294967297
fails 2 "context" inspect "$demo" --context -5
fails 2 "threads" generate "$demo" -p a --threads 0
fails 2 "threads" generate "$demo" -p a --threads 100000
fails 2 "backend" generate "$demo" -p a --backend abacus
fails 2 "no config 'not_a_model'; there are " bench --config not_a_model
fails 2 "no config 'olmo2_1c'; did you mean olmo2_1b? There are " bench --config olmo2_1c
fails 2 "not both" bench "$demo" --config stories260k
fails 2 "format" bench --format f8
fails 2 "prefill" bench --prefill 0

# --- folders that are no model, or a damaged one
fails 1 "does not exist" generate nowhere -p a
fails 1 "model folder 'nowhere' does not exist" generate nowhere
fails 1 "model folder 'nowhere' does not exist" perplexity nowhere --text nothing
fails 1 "is not a folder" generate "$demo/config.json" -p a
fails 1 "does not exist" inspect nowhere
fails 1 "does not exist" bench nowhere
fails 1 "nowhere" generate "$demo" --prompt-file nowhere
mkdir empty
fails 1 "config.json" generate empty -p a
fails 1 "config.json" inspect empty
copy_demo damaged; rm damaged/model.safetensors
fails 1 "model.safetensors" generate damaged -p a
run 0 inspect damaged; prints "none in this folder" "inspect without weights"
copy_demo damaged; rm damaged/tokenizer.json
fails 1 "tokenizer.json" generate damaged -p a
run 0 inspect damaged; prints "tokenizer.json" "inspect without tokenizer"
copy_demo damaged; head -c 1000000 "$demo/model.safetensors" > damaged/model.safetensors
fails 1 "model.safetensors" generate damaged -p a
fails 1 "model.safetensors" inspect damaged
copy_demo damaged; { printf '\377\377\377\377\377\377\377\177'; tail -c +9 "$demo/model.safetensors"; } > damaged/model.safetensors
fails 1 "model.safetensors" generate damaged -p a
copy_demo damaged; { head -c 8 "$demo/model.safetensors"; printf '['; tail -c +10 "$demo/model.safetensors"; } > damaged/model.safetensors
fails 1 "model.safetensors" generate damaged -p a
copy_demo damaged; sed 's/self_attn.q_proj/self_attn.x_proj/' "$demo/model.safetensors" > damaged/model.safetensors
fails 1 "q_proj" generate damaged -p a
fails 1 "q_proj" inspect damaged
copy_demo damaged; sed 's/"hidden_size": 192/"hidden_size": 384/' "$demo/config.json" > damaged/config.json
fails 1 "not compiled in" generate damaged -p a
grep -q "LlmConfig my_model{.d_model = 384" err || bad "the line to add is missing"
run 0 inspect damaged; prints "not compiled in" "inspect of another size"; prints "LlmConfig my_model{.d_model = 384" "inspect of another size"
copy_demo damaged; sed 's/"olmo2"/"mamba"/' "$demo/config.json" > damaged/config.json
fails 1 "mamba" generate damaged -p a
fails 1 "mamba" inspect damaged
copy_demo damaged; echo '{"hidden_size": ' > damaged/config.json
fails 1 "config.json" generate damaged -p a
copy_demo damaged; echo '{"temperature": "hot"}' > damaged/generation_config.json
fails 1 "temperature" generate damaged -p a
copy_demo damaged; echo '{"eos_token_id": [0, 2147483647]}' > damaged/generation_config.json
fails 1 "end token 2147483647 lies outside the model's vocabulary of 1024" generate damaged -p a
copy_demo damaged; echo '{"num_beams": 4, "no_repeat_ngram_size": 2, "typical_p": 1.0}' > damaged/generation_config.json
run 0 generate damaged -p "ROMEO:" -n 40; same out greedy "greedy without what is ignored"
grep -q "num_beams, no_repeat_ngram_size, which molmo does not do" err || bad "no note of what is ignored"
copy_demo damaged; echo '{"repetition_penalty": 1.5}' > damaged/generation_config.json
run 0 generate damaged -p "ROMEO:" -n 40; quiet "a repetition penalty"
cmp -s out greedy && bad "a repetition penalty changes nothing"
run 0 inspect damaged; prints "repetition penalty 1.5" "inspect of a penalty"
printf 'a\377b' > not_utf8
fails 1 "UTF-8" generate "$demo" --prompt-file not_utf8
fails 1 "no-bos" generate "$demo" --prompt "" --no-bos
fails 1 "more than the 3 positions" generate "$demo" -p "To be, or not to be, that is the question" --context 3
fails 1 "memory" generate "$demo" -p a --context 4294967296

# --- ends that come from outside
checks=$((checks + 1))
{ "$molmo" generate "$demo" -p "x" -n 500 -T 0 --stats 2> err; echo $? > code; } | head -c 5 > out
[ "$(cat code)" -eq 141 ] || bad "a closed pipe ends with $(cat code) instead of 141"
quiet "a closed pipe"
if [ -e /dev/full ]; then
  "$molmo" generate "$demo" -p x -n 5 > /dev/full 2> err
  code=$?
  [ $code -eq 1 ] || bad "a full disk ends with $code instead of 1"
  grep -q "cannot write" err || bad "a full disk: no message"
  "$molmo" inspect "$demo" > /dev/full 2> err && bad "inspect: a full disk is not noticed"
fi
if command -v timeout > /dev/null && timeout --preserve-status 5 true 2> /dev/null; then
  long="generate $demo -n 1000000 -T 0"
  # Interrupted once it has begun to print, however busy the machine is.
  : > out
  # shellcheck disable=SC2086
  timeout --preserve-status 600 "$molmo" $long --context 200000 -p x > out 2> err &
  while kill -0 $! 2> /dev/null && ! [ -s out ]; do sleep 0.1; done
  kill -INT $!
  wait $!
  code=$?
  [ $code -eq 130 ] || bad "SIGINT ends with $code instead of 130"
  [ -s out ] && [ "$(tail -c 1 out | od -An -c | tr -d ' ')" = '\n' ] || bad "an interrupted text has no last newline"
  # shellcheck disable=SC2086
  timeout --preserve-status -s TERM 2 "$molmo" $long --context 200000 -p x > out 2> err
  code=$?
  [ $code -eq 143 ] || bad "SIGTERM ends with $code instead of 143"
  i=0
  while [ $i -lt 12000 ]; do
    echo "All the world's a stage, and all the men and women merely players."
    i=$((i + 1))
  done > long_prompt
  # processor_seconds <process>: of its children.
  processor_seconds() {
    if ! command -v ps > /dev/null; then sleep 3; echo 2; return; fi
    ps -A -o ppid= -o time= | awk -v parent="$1" '$1 == parent { n = split($2, t, "[-:]"); s += t[n] + 60 * t[n - 1] + (n > 2 ? 3600 * t[n - 2] : 0) } END { print int(s) }'
  }
  # interrupted <arguments ...>: SIGINT once it has calculated for two seconds, however busy the machine is.
  interrupted() {
    checks=$((checks + 1))
    timeout --preserve-status -s KILL 600 "$molmo" "$@" > out 2> err < /dev/null &
    polls=0
    while kill -0 $! 2> /dev/null && [ $polls -lt 2000 ] && [ "$(processor_seconds $!)" -lt 2 ]; do sleep 0.1; polls=$((polls + 1)); done
    kill -INT $! 2> /dev/null
    wait $!
    code=$?
  }
  # shellcheck disable=SC2086
  interrupted $long --context 400000 --prompt-file long_prompt
  [ $code -eq 130 ] || bad "SIGINT while the prompt is read ends with $code instead of 130"
  [ ! -s out ] || bad "an interrupted prompt printed something"
  interrupted perplexity "$demo" --text long_prompt --bos 0 --context 512 --stride 1
  [ $code -eq 130 ] || bad "SIGINT while a text is read ends with $code instead of 130"
  [ ! -s out ] || bad "an interrupted perplexity printed something"
  # shellcheck disable=SC2086
  interrupted $long --context 200000 -p x --json
  [ $code -eq 130 ] || bad "SIGINT with --json ends with $code instead of 130"
  [ "$(json finish_reason)" = interrupted ] || bad "SIGINT with --json: finish_reason"
  grep -q '"limit_read_bytes_per_second": *null' out || bad "an interrupted generate still measures the machine"
  # Random weights are drawn for many seconds.
  interrupted bench --config olmo2_1b --format q4
  [ $code -eq 130 ] || grep -q "memory are available" err || bad "SIGINT while weights are drawn ends with $code instead of 130"
  [ ! -s out ] || bad "an interrupted bench printed something"
fi

echo "$checks calls, $failures failures"
[ $failures -eq 0 ]
