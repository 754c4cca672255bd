# One image for every process: `serve` (the default), `worker`, `migrate`, `seed`, `keys`, `agencies`.
#
#   docker build -t one-window .
#   docker run --rm -v one-window:/data one-window migrate
#   docker run --rm -v one-window:/data one-window seed --county 360803
#   docker run --rm -v one-window:/data -p 127.0.0.1:8000:8000 one-window
#
# Without ONE_WINDOW_DATABASE_URL the rows are in an SQLite file on the volume /data; compose.yaml uses PostgreSQL.

FROM python:3.12-slim AS build
WORKDIR /source
# The virtual environment holds no pip of its own: the builder's fills it from outside.
RUN python -m venv --without-pip /opt/one-window
COPY pyproject.toml README.md .constraints.txt ./
COPY app app
COPY migrations migrations
RUN pip --python /opt/one-window/bin/python install --no-cache-dir --disable-pip-version-check -c .constraints.txt .

FROM python:3.12-slim
RUN pip uninstall --yes --quiet --root-user-action=ignore pip \
    && groupadd --gid 10001 one-window \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin one-window \
    && install --directory --owner one-window --group one-window --mode 0700 /data /attachments
COPY --from=build /opt/one-window /opt/one-window
ENV PATH=/opt/one-window/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    ONE_WINDOW_DATABASE_URL=sqlite:////data/one-window.sqlite3
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
# Is the process alive? Whether it can do its work is /health/ready: a database that is away is no reason to restart.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/health/live', timeout=2)"]
ENTRYPOINT ["one-window"]
CMD ["serve", "--host", "0.0.0.0"]
