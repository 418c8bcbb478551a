FROM sha256:0000000000000000000000000000000000000000000000000000000000000000
ARG UV_DEFAULT_INDEX
RUN ["/bin/sh", "/opt/farcell/apt.sh", "ffmpeg", "libgl1=1.6.0-1"]
RUN ["/opt/farcell-env/bin/python", "-I", "/opt/farcell/finish.py", "pip", "--extra-index-url", "https://pypi.example.org/simple", "torch==2.4", "pandas>=2"]
RUN ["/bin/sh", "/opt/farcell/run.sh", "echo one"]
RUN ["/bin/sh", "/opt/farcell/run.sh", "cat \u003c\u003cE > /etc/x\n\"two\" '$HOME'\nE\n"]
ARG FARCELL_ENV_1
ENV MODE=fast\ and\ \'loose\' PATHS=\$HOME\:\\x EMPTY= LINES=$FARCELL_ENV_1
COPY --chown=10001:10001 ["files/abababababababababababababababababababababababababababababababab/", "/srv/my\\ \\$data/"]
