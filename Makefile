# The few commands of this project. `make demo` and `make test` set a fresh Debian machine up by themselves:
# they need Rust (rustup.rs) and, where redis-server is missing, the rights to install a package.

.PHONY: demo run test sdk browser chaos fuzz fuzz-kept mutants lint deny sbom chart chart-files image-check upgrade bench bench-size needs

SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

demo: needs          ## the whole relay at work, without any account
	cargo run --quiet --locked -- demo

run: needs           ## the relay with config/orderwire.toml
	cargo run --locked -- serve

test: needs          ## everything that .ci/run proves but format and lints
	cargo test --locked

sdk: needs           ## what we send and sign, against the vendors' own libraries and a mail server (they come to target/sdk)
	cargo build --quiet --locked
	.ci/sdk

browser: needs       ## the pages in a real browser; the pictures come to target/screens
	@command -v chromium >/dev/null || { $(SUDO) apt-get update -qq && \
		$(SUDO) apt-get install -y -qq --no-install-recommends chromium fonts-noto-core fonts-noto-cjk; }
	cargo test --locked --test it doors::browser -- --ignored

chaos: needs         ## kill -9 the relay 200 times under load, then faults with random seeds for ORDERWIRE_CHAOS_SECS (60)
	ORDERWIRE_KILLS=$${ORDERWIRE_KILLS:-200} cargo test --locked --test it faults::kills::kills -- --nocapture
	cargo test --locked --test it faults::chaos -- --ignored --nocapture

FUZZ := hooks callbacks answers decoders addresses settings spool words steps chats tokens consent
FUZZ_SECS ?= 60

fuzz: needs          ## throw made-up input at every target, FUZZ_SECS each; what breaks one lies in fuzz/artifacts
	@command -v c++ >/dev/null || { $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq g++; }
	@command -v cargo-fuzz >/dev/null || cargo install --locked --quiet cargo-fuzz@0.13.1
	@cd fuzz && for target in $(FUZZ); do mkdir -p corpus/$$target; \
		RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none $$target corpus/$$target kept/$$target -- \
			-max_total_time=$(FUZZ_SECS) -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 || exit 1; done

fuzz-kept:           ## the kept inputs, made anew from the goldens
	cargo test --locked --test it guard::thrown::kept_inputs_are_written -- --ignored

MUTANTS ?= plan

mutants:             ## change one thing after the other in MUTANTS (plan, platform, judge, sign), and see whether a test notices (hours)
	@command -v cargo-mutants >/dev/null || cargo install --locked --quiet cargo-mutants@27.1.0
	.ci/mutants $(MUTANTS)

lint:                ## format, lints, docs
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --quiet

deny:                ## what may come into the binary: licences, bans, sources; advisories where ADVISORY_DB is a database
	@command -v cargo-deny >/dev/null || cargo install --locked --quiet cargo-deny@0.20.2
	cargo deny --offline --log-level error check bans licenses sources
	.ci/advisories

sbom:                ## target/orderwire.cdx.json: everything that is in the binary, as CycloneDX
	@command -v cargo-cyclonedx >/dev/null || cargo install --locked --quiet cargo-cyclonedx@0.5.9
	cargo cyclonedx --format json --no-build-deps --override-filename orderwire
	mv orderwire.json target/orderwire.cdx.json

chart: needs         ## the chart, the alerts and deploy/, with the real tools (they come to target/chart-tools)
	cargo build --quiet --locked
	.ci/chart

chart-files:         ## what of the chart follows from other files: schema, table of values, dashboard
	cargo build --quiet --locked
	.ci/chart --write

image-check: needs   ## the image's steps by hand, twice for the same bytes, and what came of them at work (root, minutes)
	.ci/image

bench: needs         ## speed, as ratios measured side by side (minutes)
	benches/run.sh

upgrade: needs       ## this version and the one of the commit FROM on one Redis, there and back under load
	.ci/upgrade

bench-size: needs    ## what a million waiting orders need and cost: the figures of docs/sizing.md (minutes, gigabytes)
	benches/run.sh size

needs:
	@command -v cargo >/dev/null || { echo "Rust is missing: install it from https://rustup.rs" >&2; exit 1; }
	@command -v cc >/dev/null || { $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq gcc libc6-dev; }
	@command -v redis-server >/dev/null || { $(SUDO) apt-get update -qq && \
		RUNLEVEL=1 $(SUDO) apt-get install -y -qq --no-install-recommends redis-server && \
		$(SUDO) systemctl disable --now redis-server >/dev/null 2>&1 || true; }
	@command -v redis-server >/dev/null || { echo "redis-server is missing: install it (Debian: apt install redis-server)" >&2; exit 1; }
