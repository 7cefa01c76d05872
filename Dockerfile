# glibc: confluent-kafka has no wheel for musl.
FROM python:3.11-slim AS build
COPY requirements.txt .
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --require-hashes -r requirements.txt

FROM python:3.11-slim
RUN useradd --create-home --uid 10001 site && mkdir -p /site/var && chown site /site/var
COPY --from=build /venv /venv
WORKDIR /site
COPY manage.py ./
COPY eventsite eventsite
COPY processing processing
COPY ingest ingest
COPY revenue revenue
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 WEB_HOST=0.0.0.0
# The key is for this one command, which needs none but refuses to start without; nothing keeps it.
RUN SECRET_KEY=unused python manage.py collectstatic --noinput --verbosity 0 && chown -R site var
USER site
EXPOSE 8000
CMD ["python", "-m", "eventsite.web"]
