FROM sha256:0000000000000000000000000000000000000000000000000000000000000000
ARG UV_OFFLINE
USER 0:0
COPY ["tools/", "/opt/farcell/"]
RUN ["/bin/sh", "/opt/farcell/finish.sh", "3.12"]
ENV VIRTUAL_ENV=/opt/farcell-env UV_LINK_MODE=copy PATH=/opt/farcell-env/bin:$PATH
WORKDIR /home/farcell/work
