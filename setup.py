"""Write the library of live figures and its licences into the package, then build it as pyproject.toml says.

At the start of every build, not in a command of setuptools: the metadata, which is written first, names the licence
file, and wheel, source distribution and editable install then find both files where they find all others.
"""

import sys
from pathlib import Path
from runpy import run_path

from setuptools import setup

LIVE = Path(__file__).resolve().parent / "gradflow/reporting/live"
LICENCES = """\
vega-embed.js holds, minified, the libraries below, as bundled by vl-convert (`vl_convert.javascript_bundle`).

== BSD-3-Clause
vega {vega}: Copyright (c) 2015-2023, University of Washington Interactive Data Lab. All rights reserved.
vega-lite {lite}: Copyright (c) 2015, University of Washington Interactive Data Lab. All rights reserved.
vega-embed {embed}: Copyright (c) 2015, University of Washington Interactive Data Lab. All rights reserved.
vega-tooltip: Copyright 2016 Interactive Data Lab and contributors. All rights reserved.

Redistribution and use in source and binary forms, with or without
modification, are permitted provided that the following conditions are met:

1. Redistributions of source code must retain the above copyright notice, this
   list of conditions and the following disclaimer.

2. Redistributions in binary form must reproduce the above copyright notice,
   this list of conditions and the following disclaimer in the documentation
   and/or other materials provided with the distribution.

3. Neither the name of the copyright holder nor the names of its contributors
   may be used to endorse or promote products derived from this software
   without specific prior written permission.

THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS"
AND ANY EXPRESS OR IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE
IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE
DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT OWNER OR CONTRIBUTORS BE LIABLE
FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL
DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR
SERVICES; LOSS OF USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER
CAUSED AND ON ANY THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY,
OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE
OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.

== ISC
d3: Copyright 2010-2026 Mike Bostock
topojson-client: Copyright 2012-2019 Michael Bostock
delaunator: Copyright (c) 2021, Mapbox
semver: Copyright (c) Isaac Z. Schlueter and Contributors

Permission to use, copy, modify, and/or distribute this software for any purpose
with or without fee is hereby granted, provided that the above copyright notice
and this permission notice appear in all copies.

THE SOFTWARE IS PROVIDED "AS IS" AND THE AUTHOR DISCLAIMS ALL WARRANTIES WITH
REGARD TO THIS SOFTWARE INCLUDING ALL IMPLIED WARRANTIES OF MERCHANTABILITY AND
FITNESS. IN NO EVENT SHALL THE AUTHOR BE LIABLE FOR ANY SPECIAL, DIRECT,
INDIRECT, OR CONSEQUENTIAL DAMAGES OR ANY DAMAGES WHATSOEVER RESULTING FROM LOSS
OF USE, DATA OR PROFITS, WHETHER IN AN ACTION OF CONTRACT, NEGLIGENCE OR OTHER
TORTIOUS ACTION, ARISING OUT OF OR IN CONNECTION WITH THE USE OR PERFORMANCE OF
THIS SOFTWARE.

== MIT
fast-json-patch: Copyright (c) 2013 Joachim Wester <joachimwester@me.com>
json-stringify-pretty-compact: Copyright (c) 2014, 2016, 2017, 2019, 2021 Simon Lydell

The text is that of gradflow's own licence, in the file LICENSE, from "Permission is hereby granted" on.
"""


def make() -> None:
    """Write vega-embed.js and LICENSES-vega.txt, unless they are there; end where the bundle is not the known one."""
    bundle, licences = run_path(str(LIVE / "bundle.py")), LIVE / "LICENSES-vega.txt"
    if bundle["is_made"]() and licences.is_file():
        return
    import vl_convert  # a build requirement: a source distribution holds what it makes

    bundle["BUNDLE"].write_bytes(vl_convert.javascript_bundle("window.vegaEmbed=vegaEmbed;").encode())
    versions = {
        "vega": vl_convert.get_vega_version(),
        "lite": vl_convert.get_vegalite_versions()[-1],
        "embed": vl_convert.get_vega_embed_version(),
    }
    licences.write_bytes(LICENCES.format(**versions).encode())
    if not bundle["is_made"]():
        sys.exit(f"vl-convert {vl_convert.__version__} makes another vega-embed.js than bundle.py's SHA256 names.")


make()
setup()
