"""The command line: serve a desk, write the settings that plug it into a shop, or send commuters through that shop.

`python -m emulator --dir DIR --port 9000` serves; with `--write-settings` it writes DIR/settings.env and ends.
`python -m emulator simulate` sends commuters through a running shop.
"""

import argparse
import logging
import signal
import sys
import threading
from pathlib import Path

from emulator import commuters, keys, till
from emulator.app import create_app
from emulator.desk import Options, furnish
from emulator.server import Server


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["simulate"]:
        return commuters.simulate(arguments[1:])
    options = _parser().parse_args(arguments)
    logging.basicConfig(format="%(asctime)s %(name)s %(message)s")
    api_url = f"http://127.0.0.1:{options.port}"
    public_url = (options.public_url or api_url).rstrip("/")
    identity = keys.load(options.dir)
    path = keys.write_settings(identity, api_url=api_url, public_url=public_url)
    if options.write_settings:
        print(path)
        return 0
    _serve(options, identity, public_url)
    return 0


def _serve(options: argparse.Namespace, identity: keys.Keys, public_url: str) -> None:
    desk = furnish(
        identity.directory,
        identity,
        Options(
            public_url=public_url,
            merchant_name=options.merchant_name,
            refund_seconds=options.refund_seconds,
            allowed_hosts=frozenset(options.allow_host),
        ),
        speed=options.speed,
        seed=options.seed,
    )
    server = Server(options.host, options.port, create_app(desk))
    for number in (signal.SIGTERM, signal.SIGINT):
        # shutdown() waits for serve_forever() to return, which this very thread is running.
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    till.resume(desk)
    print(f"emulated WeChat at {public_url} (control plane {public_url}/_control)", flush=True)
    server.serve_forever(poll_interval=0.1)
    server.server_close()
    desk.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m emulator", description="WeChat on your desk.")
    parser.add_argument("--dir", type=Path, required=True, help="where keys, settings.env and the books live")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at (default %(default)s)")
    parser.add_argument("--port", type=int, default=9000)
    parser.add_argument("--public-url", help="how browsers reach it (default http://127.0.0.1:PORT)")
    parser.add_argument("--write-settings", action="store_true", help="write DIR/settings.env and end")
    parser.add_argument("--merchant-name", default=Options.merchant_name, help="whom the payer reads")
    parser.add_argument("--allow-host", action="append", default=[], help="one more host that the shop may be at")
    parser.add_argument("--speed", type=float, default=1.0, help="shorten retries and refunds by this factor")
    parser.add_argument(
        "--refund-seconds", type=float, default=Options.refund_seconds, help="how long a refund takes at speed 1"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the faults' dice")
    return parser


if __name__ == "__main__":
    sys.exit(main())
