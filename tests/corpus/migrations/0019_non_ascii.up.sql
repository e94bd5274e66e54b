CREATE TABLE "Größen" ("länge" int, "größe" text DEFAULT 'maß', 名前 text);
COMMENT ON TABLE "Größen" IS 'Ünïcödé – „Anführung“, 日本語, emoji 🐘';
