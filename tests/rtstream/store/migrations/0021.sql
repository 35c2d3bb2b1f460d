PRAGMA user_version=21;
CREATE TABLE collections (
	id VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	description VARCHAR NOT NULL, 
	is_public BOOLEAN NOT NULL, 
	created_at FLOAT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE events (
	id VARCHAR NOT NULL, 
	prompt TEXT NOT NULL, 
	label VARCHAR NOT NULL, 
	rule JSON, 
	created_at FLOAT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE journal (
	seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	at FLOAT NOT NULL, 
	channel VARCHAR NOT NULL, 
	stream_id VARCHAR NOT NULL, 
	stream_name VARCHAR NOT NULL, 
	index_id VARCHAR NOT NULL, 
	alert_id VARCHAR NOT NULL, 
	data JSON NOT NULL
);
CREATE TABLE kept (
	"key" VARCHAR NOT NULL, 
	value JSON NOT NULL, 
	PRIMARY KEY ("key")
);
CREATE TABLE ws_bindings (
	connection_id VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	target_id VARCHAR NOT NULL, 
	created_at FLOAT NOT NULL, 
	PRIMARY KEY (connection_id, kind, target_id)
);
CREATE TABLE search_docs (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	place INTEGER NOT NULL, 
	origin INTEGER NOT NULL, 
	ref INTEGER NOT NULL, 
	start FLOAT NOT NULL, 
	"end" FLOAT NOT NULL, 
	text TEXT, 
	model INTEGER, 
	bits BLOB
);
CREATE TABLE search_models (
	id INTEGER NOT NULL, 
	name VARCHAR NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (name)
);
CREATE TABLE search_cursors (
	origin INTEGER NOT NULL, 
	reached INTEGER NOT NULL, 
	PRIMARY KEY (origin)
);
CREATE TABLE search_removed (
	id INTEGER NOT NULL, 
	text TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE videos (
	id VARCHAR NOT NULL, 
	collection_id VARCHAR NOT NULL, 
	stream_id VARCHAR, 
	name VARCHAR NOT NULL, 
	path VARCHAR NOT NULL, 
	start FLOAT NOT NULL, 
	duration FLOAT NOT NULL, 
	detail JSON NOT NULL, 
	created_at FLOAT NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(collection_id) REFERENCES collections (id)
);
CREATE TABLE search_vectors (
	doc_id INTEGER NOT NULL, 
	model INTEGER NOT NULL, 
	vector BLOB NOT NULL, 
	PRIMARY KEY (doc_id), 
	FOREIGN KEY(doc_id) REFERENCES search_docs (id) ON DELETE CASCADE
);
CREATE TABLE recordings (
	id VARCHAR NOT NULL, 
	stream_id VARCHAR NOT NULL, 
	started_at FLOAT NOT NULL, 
	ended_at FLOAT NOT NULL, 
	closed BOOLEAN NOT NULL, 
	init BLOB NOT NULL, 
	codecs VARCHAR NOT NULL, log_position BIGINT, media_start FLOAT, 
	PRIMARY KEY (id), 
	FOREIGN KEY(stream_id) REFERENCES streams (id) ON DELETE CASCADE
);
CREATE TABLE scene_indexes (
	id VARCHAR NOT NULL, 
	stream_id VARCHAR NOT NULL, 
	name VARCHAR, 
	extraction_type VARCHAR NOT NULL, 
	extraction_config JSON NOT NULL, 
	prompt TEXT, 
	model_name VARCHAR, 
	model_config JSON NOT NULL, 
	status VARCHAR NOT NULL, 
	status_reason VARCHAR NOT NULL, 
	counters JSON NOT NULL, 
	created_at FLOAT NOT NULL, looked_from FLOAT, after_scene INTEGER, 
	PRIMARY KEY (id), 
	FOREIGN KEY(stream_id) REFERENCES streams (id) ON DELETE CASCADE
);
CREATE TABLE transcript_jobs (
	stream_id VARCHAR NOT NULL, 
	engine VARCHAR NOT NULL, 
	status VARCHAR NOT NULL, 
	language VARCHAR, 
	created_at FLOAT NOT NULL, 
	updated_at FLOAT NOT NULL, 
	PRIMARY KEY (stream_id, engine), 
	FOREIGN KEY(stream_id) REFERENCES streams (id) ON DELETE CASCADE
);
CREATE TABLE transcript_segments (
	id INTEGER NOT NULL, 
	stream_id VARCHAR NOT NULL, 
	engine VARCHAR NOT NULL, 
	start FLOAT NOT NULL, 
	"end" FLOAT NOT NULL, 
	text TEXT NOT NULL, 
	kind VARCHAR NOT NULL, 
	detail JSON NOT NULL, 
	created_at FLOAT NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(stream_id) REFERENCES streams (id) ON DELETE CASCADE
);
CREATE TABLE video_transcripts (
	video_id VARCHAR NOT NULL, 
	engine VARCHAR NOT NULL, 
	language VARCHAR, 
	sound BOOLEAN NOT NULL, 
	created_at FLOAT NOT NULL, 
	PRIMARY KEY (video_id), 
	FOREIGN KEY(video_id) REFERENCES videos (id) ON DELETE CASCADE
);
CREATE TABLE video_segments (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	video_id VARCHAR NOT NULL, 
	start FLOAT NOT NULL, 
	"end" FLOAT NOT NULL, 
	text TEXT NOT NULL, 
	words JSON NOT NULL, 
	FOREIGN KEY(video_id) REFERENCES videos (id) ON DELETE CASCADE
);
CREATE TABLE search_places (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	kind VARCHAR NOT NULL, 
	stream_id VARCHAR, 
	video_id VARCHAR, 
	index_id VARCHAR NOT NULL, 
	FOREIGN KEY(stream_id) REFERENCES streams (id) ON DELETE CASCADE, 
	FOREIGN KEY(video_id) REFERENCES videos (id) ON DELETE CASCADE
);
CREATE TABLE segments (
	stream_id VARCHAR NOT NULL, 
	start FLOAT NOT NULL, 
	duration FLOAT NOT NULL, 
	recording_id VARCHAR NOT NULL, 
	path VARCHAR NOT NULL, 
	"offset" INTEGER NOT NULL, 
	length INTEGER NOT NULL, 
	PRIMARY KEY (stream_id, start), 
	FOREIGN KEY(stream_id) REFERENCES streams (id) ON DELETE CASCADE, 
	FOREIGN KEY(recording_id) REFERENCES recordings (id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
CREATE TABLE scenes (
	id INTEGER NOT NULL, 
	index_id VARCHAR NOT NULL, 
	stream_id VARCHAR NOT NULL, 
	start FLOAT NOT NULL, 
	"end" FLOAT NOT NULL, 
	text TEXT NOT NULL, 
	status VARCHAR NOT NULL, 
	model VARCHAR NOT NULL, 
	data JSON, 
	detail JSON NOT NULL, 
	created_at FLOAT NOT NULL, gap_id INTEGER, 
	PRIMARY KEY (id), 
	FOREIGN KEY(index_id) REFERENCES scene_indexes (id) ON DELETE CASCADE, 
	FOREIGN KEY(stream_id) REFERENCES streams (id) ON DELETE CASCADE
);
CREATE TABLE decisions (
	id INTEGER NOT NULL, 
	alert_id VARCHAR NOT NULL, 
	scene_id INTEGER NOT NULL, 
	at FLOAT NOT NULL, 
	outcome VARCHAR NOT NULL, 
	reason VARCHAR NOT NULL, 
	confidence FLOAT, 
	explanation TEXT NOT NULL, 
	seq INTEGER, segment_id INTEGER, 
	PRIMARY KEY (id), 
	FOREIGN KEY(alert_id) REFERENCES alerts (id) ON DELETE CASCADE
);
CREATE TABLE deliveries (
	id VARCHAR NOT NULL, 
	alert_id VARCHAR NOT NULL, 
	seq INTEGER NOT NULL, 
	url TEXT NOT NULL, 
	payload JSON NOT NULL, 
	state VARCHAR NOT NULL, 
	attempts INTEGER NOT NULL, 
	next_at FLOAT NOT NULL, 
	created_at FLOAT NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(alert_id) REFERENCES alerts (id) ON DELETE CASCADE
);
CREATE TABLE delivery_attempts (
	id INTEGER NOT NULL, 
	delivery_id VARCHAR NOT NULL, 
	at FLOAT NOT NULL, 
	status INTEGER, 
	latency_s FLOAT NOT NULL, 
	error VARCHAR NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(delivery_id) REFERENCES deliveries (id) ON DELETE CASCADE
);
CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE links (
	id VARCHAR NOT NULL, 
	target_hash VARCHAR, 
	kind VARCHAR NOT NULL, 
	stream_id VARCHAR, 
	video_id VARCHAR, 
	start FLOAT, 
	"end" FLOAT, 
	ranges JSON, 
	title VARCHAR NOT NULL, 
	description TEXT NOT NULL, 
	purpose VARCHAR NOT NULL, 
	created_at FLOAT NOT NULL, 
	expires_at FLOAT, 
	revoked_at FLOAT, 
	PRIMARY KEY (id), 
	FOREIGN KEY(stream_id) REFERENCES streams (id) ON DELETE CASCADE, 
	FOREIGN KEY(video_id) REFERENCES videos (id) ON DELETE CASCADE
);
CREATE VIRTUAL TABLE search_words USING fts5(
    text, content='', columnsize=0, prefix='2 3', tokenize='porter unicode61 remove_diacritics 2'
);
CREATE TABLE "pins" (
	id INTEGER NOT NULL, 
	stream_id VARCHAR NOT NULL, 
	start FLOAT NOT NULL, 
	"end" FLOAT NOT NULL, 
	owner_id VARCHAR NOT NULL, 
	owner_kind VARCHAR NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(stream_id) REFERENCES streams (id) ON DELETE CASCADE
);
CREATE TABLE gaps (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	stream_id VARCHAR NOT NULL, 
	index_id VARCHAR, 
	engine VARCHAR NOT NULL, 
	start FLOAT NOT NULL, 
	"end" FLOAT, 
	reached FLOAT NOT NULL, 
	reason VARCHAR NOT NULL, 
	dropped INTEGER NOT NULL, 
	analysed BOOLEAN NOT NULL, 
	created_at FLOAT NOT NULL, after_scene INTEGER, after_media FLOAT, 
	FOREIGN KEY(stream_id) REFERENCES streams (id) ON DELETE CASCADE, 
	FOREIGN KEY(index_id) REFERENCES scene_indexes (id) ON DELETE CASCADE
);
CREATE TABLE gap_alerts (
	gap_id INTEGER NOT NULL, 
	alert_id VARCHAR NOT NULL, 
	state JSON, 
	judged_scene INTEGER NOT NULL, 
	PRIMARY KEY (gap_id, alert_id), 
	FOREIGN KEY(gap_id) REFERENCES gaps (id) ON DELETE CASCADE, 
	FOREIGN KEY(alert_id) REFERENCES alerts (id) ON DELETE CASCADE
);
CREATE TABLE transcript_progress (
	stream_id VARCHAR NOT NULL, 
	engine VARCHAR NOT NULL, 
	heard_until FLOAT NOT NULL, after_segment INTEGER, 
	PRIMARY KEY (stream_id, engine), 
	FOREIGN KEY(stream_id) REFERENCES streams (id) ON DELETE CASCADE
);
CREATE TABLE "streams" (
	id VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	url TEXT NOT NULL, 
	collection_id VARCHAR NOT NULL, 
	created_at FLOAT NOT NULL, 
	media_types JSON NOT NULL, 
	sample_rate FLOAT NOT NULL, 
	store BOOLEAN NOT NULL, 
	enable_transcript BOOLEAN NOT NULL, 
	desired VARCHAR NOT NULL, 
	health JSON NOT NULL, 
	media JSON, 
	retention JSON NOT NULL, 
	recorded_bytes INTEGER NOT NULL, 
	tracks VARCHAR, 
	audio BOOLEAN NOT NULL, detect_url TEXT, vocabulary JSON, 
	PRIMARY KEY (id), 
	FOREIGN KEY(collection_id) REFERENCES collections (id)
);
CREATE TABLE unfinished_transcripts (
	video_id VARCHAR NOT NULL, 
	engine VARCHAR NOT NULL, 
	language VARCHAR, 
	job_id VARCHAR NOT NULL, 
	wanted BOOLEAN NOT NULL, 
	PRIMARY KEY (video_id), 
	FOREIGN KEY(video_id) REFERENCES videos (id) ON DELETE CASCADE
);
CREATE TABLE unfinished_utterances (
	id INTEGER NOT NULL, 
	video_id VARCHAR NOT NULL, 
	start FLOAT NOT NULL, 
	"end" FLOAT NOT NULL, 
	text TEXT NOT NULL, 
	words JSON NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(video_id) REFERENCES unfinished_transcripts (video_id) ON DELETE CASCADE
);
CREATE TABLE alert_groups (
	id VARCHAR NOT NULL, 
	event_id VARCHAR NOT NULL, 
	streams JSON, 
	callback_url TEXT, 
	status VARCHAR NOT NULL, 
	options JSON NOT NULL, 
	created_at FLOAT NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(event_id) REFERENCES events (id) ON DELETE CASCADE
);
CREATE TABLE alert_group_streams (
	group_id VARCHAR NOT NULL, 
	stream_id VARCHAR NOT NULL, 
	alert_id VARCHAR, 
	note TEXT NOT NULL, 
	PRIMARY KEY (group_id, stream_id), 
	FOREIGN KEY(group_id) REFERENCES alert_groups (id) ON DELETE CASCADE, 
	FOREIGN KEY(stream_id) REFERENCES streams (id) ON DELETE CASCADE, 
	FOREIGN KEY(alert_id) REFERENCES alerts (id) ON DELETE SET NULL
);
CREATE TABLE "alerts" (
	id VARCHAR NOT NULL, 
	index_id VARCHAR, 
	event_id VARCHAR NOT NULL, 
	callback_url TEXT, 
	status VARCHAR NOT NULL, 
	options JSON NOT NULL, 
	state JSON NOT NULL, 
	judged_scene INTEGER NOT NULL, 
	fired INTEGER NOT NULL, 
	created_at FLOAT NOT NULL, 
	stream_id VARCHAR NOT NULL, 
	PRIMARY KEY (id), 
	CONSTRAINT alerts_stream FOREIGN KEY(stream_id) REFERENCES streams (id) ON DELETE CASCADE, 
	FOREIGN KEY(event_id) REFERENCES events (id) ON DELETE CASCADE, 
	FOREIGN KEY(index_id) REFERENCES scene_indexes (id) ON DELETE CASCADE
);
INSERT INTO "collections" ("id", "name", "description", "is_public", "created_at") VALUES ('default','Default','Default collection',0,1.79575479851936817168e+09);
INSERT INTO "events" ("id", "prompt", "label", "rule", "created_at") VALUES ('event-64ae978ca9f1af37','"Invoice 4711" is on the screen','invoice','null',1.79575479945521426197e+09);
INSERT INTO "journal" ("seq", "at", "channel", "stream_id", "stream_name", "index_id", "alert_id", "data") VALUES (1,1.79575479857538604735e+09,'health','rts-007c268170870c0e','Desk','','','{"state": "connecting", "reason": "", "since": 1795754798.5718894, "attempts": 0}');
INSERT INTO "journal" ("seq", "at", "channel", "stream_id", "stream_name", "index_id", "alert_id", "data") VALUES (2,1.79575479942897200591e+09,'health','rts-007c268170870c0e','Desk','','','{"state": "connected", "reason": "", "since": 1795754799.4281905, "attempts": 0}');
INSERT INTO "journal" ("seq", "at", "channel", "stream_id", "stream_name", "index_id", "alert_id", "data") VALUES (3,1.79575479943006420134e+09,'catalogue','rts-007c268170870c0e','Desk','','','{"change": "added", "kind": "stream", "id": "rts-007c268170870c0e", "name": "Desk"}');
INSERT INTO "journal" ("seq", "at", "channel", "stream_id", "stream_name", "index_id", "alert_id", "data") VALUES (4,1.79575479943979787831e+09,'catalogue','rts-007c268170870c0e','Desk','scene-idx-358a7df4e37d','','{"change": "added", "kind": "index", "id": "scene-idx-358a7df4e37d", "name": "Screen"}');
INSERT INTO "journal" ("seq", "at", "channel", "stream_id", "stream_name", "index_id", "alert_id", "data") VALUES (5,1.79575480323040604594e+09,'scene_index','rts-007c268170870c0e','Desk','scene-idx-358a7df4e37d','','{"text": "Text on screen: \u201cSlack\u201d; \u201c00:01.0\u201d; \u201cSlack\u201d; \u201c# billing\u201d; \u201cAna: can you pay invoice 4711 today?\u201d; \u201cBen: yes, right after the stand-up\u201d. First look. Main colours: dark grey.", "start": 1795754798.0, "end": 1795754800.0, "rtstream_index_id": "scene-idx-358a7df4e37d", "index_name": "Screen", "scene_id": 1, "model": "local", "status": "ok"}');
INSERT INTO "journal" ("seq", "at", "channel", "stream_id", "stream_name", "index_id", "alert_id", "data") VALUES (6,1.79575480324993014334e+09,'alert','rts-007c268170870c0e','Desk','scene-idx-358a7df4e37d','alert-b73966ab4acb','{"alert_id": "alert-b73966ab4acb", "event_id": "event-64ae978ca9f1af37", "label": "invoice", "event_label": "invoice", "triggered": true, "confidence": 0.99, "explanation": "\"Invoice 4711\" was found in the line: Ana: can you pay invoice 4711 today?.", "text": "\"Invoice 4711\" was found in the line: Ana: can you pay invoice 4711 today?.", "timestamp": 1795754803.2499301, "start": 1795754798.0, "end": 1795754800.0, "scene_id": 1, "rtstream_index_id": "scene-idx-358a7df4e37d", "index_name": "Screen", "stream_url": "http://127.0.0.1:8740/manifests/rts-007c268170870c0e/1795754795000000-1795754802000000.m3u8?token=.eJyLVioqKdY1MDBPNjKzMDQ3sDA3SDZIVdIxNLc0NTc1AZIGYAATsDAwQgiYGZtamhkY6yhl5pXlZyYDtSkp6UTHxgIAUu4T_Q.SJC1Ei8Sloewx-7APQJdl0pI--M", "player_url": "http://127.0.0.1:8740/watch?v=.eJyLVioqKdY1MDBPNjKzMDQ3sDA3SDZIVdIxNLc0NTc1AZIGYAATsDAwQgiYGZtamhkY6yhl5pXlZyYDtSkp6UTHxgIAUu4T_Q.SJC1Ei8Sloewx-7APQJdl0pI--M"}');
INSERT INTO "journal" ("seq", "at", "channel", "stream_id", "stream_name", "index_id", "alert_id", "data") VALUES (7,1.79575480342030406001e+09,'scene_index','rts-007c268170870c0e','Desk','scene-idx-358a7df4e37d','','{"text": "Text on screen: \u201cSlack\u201d; \u201c00:03.0\u201d; \u201cSlack\u201d; \u201c# billing\u201d; \u201cAna: can you pay invoice 4711 today?\u201d; \u201cBen: yes, right after the stand-up\u201d. New since the last look: \u201c00:03.0\u201d. Gone since the last look: \u201c00:01.0\u201d. 2 % of the picture changed. Main colours: dark grey.", "start": 1795754800.0, "end": 1795754802.0, "rtstream_index_id": "scene-idx-358a7df4e37d", "index_name": "Screen", "scene_id": 2, "model": "local", "status": "ok"}');
INSERT INTO "journal" ("seq", "at", "channel", "stream_id", "stream_name", "index_id", "alert_id", "data") VALUES (8,1.79575480513743019096e+09,'scene_index','rts-007c268170870c0e','Desk','scene-idx-358a7df4e37d','','{"text": "Text on screen: \u201cTerminal\u201d; \u201c00:05.0\u201d; \u201cTerminal\u201d; \u201c$ git pull --rebase\u201d; \u201c$ pytest -q\u201d; \u201c312 passed in 8.41s\u201d; \u201c$ git push origin main\u201d. New since the last look: \u201cTerminal\u201d; \u201c00:05.0\u201d; \u201cTerminal\u201d; \u201c$ git pull --rebase\u201d; \u201c$ pytest -q\u201d; \u201c312 passed in 8.41s\u201d; \u201c$ git push origin main\u201d. Gone since the last look: \u201cSlack\u201d; \u201c00:03.0\u201d; \u201cSlack\u201d; \u201c# billing\u201d; \u201cAna: can you pay invoice 4711 today?\u201d; \u201cBen: yes, right after the stand-up\u201d. The picture was cut to another. Main colours: black, dark grey.", "start": 1795754802.0, "end": 1795754804.0, "rtstream_index_id": "scene-idx-358a7df4e37d", "index_name": "Screen", "scene_id": 3, "model": "local", "status": "ok"}');
INSERT INTO "journal" ("seq", "at", "channel", "stream_id", "stream_name", "index_id", "alert_id", "data") VALUES (9,1.7957548066086518765e+09,'scene_index','rts-007c268170870c0e','Desk','scene-idx-358a7df4e37d','','{"text": "Text on screen: \u201cTerminal\u201d; \u201c00:07.0\u201d; \u201cTerminal\u201d; \u201c$ git pull --rebase\u201d; \u201c$ pytest -q\u201d; \u201c312 passed in 8.41s\u201d; \u201c$ git push origin main\u201d. New since the last look: \u201c00:07.0\u201d. Gone since the last look: \u201c00:05.0\u201d. 2 % of the picture changed. Main colours: black, dark grey.", "start": 1795754804.0, "end": 1795754806.0, "rtstream_index_id": "scene-idx-358a7df4e37d", "index_name": "Screen", "scene_id": 4, "model": "local", "status": "ok"}');
INSERT INTO "journal" ("seq", "at", "channel", "stream_id", "stream_name", "index_id", "alert_id", "data") VALUES (10,1.79575480727114915845e+09,'transcript','rts-007c268170870c0e','Desk','','','{"text": "Good morning, the shipment leaves on Friday.", "start": 1795754799.2711492, "end": 1795754801.2711492, "is_final": true}');
INSERT INTO "journal" ("seq", "at", "channel", "stream_id", "stream_name", "index_id", "alert_id", "data") VALUES (11,1.79575480727114915845e+09,'transcript','rts-007c268170870c0e','Desk','','','{"text": "Please call the caf\u00e9 about the broken window.", "start": 1795754802.2711492, "end": 1795754804.2711492, "is_final": true}');
INSERT INTO "journal" ("seq", "at", "channel", "stream_id", "stream_name", "index_id", "alert_id", "data") VALUES (12,1.79575480731070828439e+09,'health','rts-007c268170870c0e','Desk','','','{"state": "stopped", "reason": "stopped by request", "since": 1795754807.3051171, "attempts": 0}');
INSERT INTO "journal" ("seq", "at", "channel", "stream_id", "stream_name", "index_id", "alert_id", "data") VALUES (13,1.79575480747243380547e+09,'catalogue','','','','','{"change": "added", "kind": "video", "id": "m-15da18d6568ddde3", "name": "Visit"}');
INSERT INTO "journal" ("seq", "at", "channel", "stream_id", "stream_name", "index_id", "alert_id", "data") VALUES (14,1.79575480760167169574e+09,'health','rts-e12b66adecf3cb88','Gone','','','{"state": "connecting", "reason": "", "since": 1795754807.600703, "attempts": 0}');
INSERT INTO "journal" ("seq", "at", "channel", "stream_id", "stream_name", "index_id", "alert_id", "data") VALUES (15,1.79575480843094563484e+09,'health','rts-e12b66adecf3cb88','Gone','','','{"state": "connected", "reason": "", "since": 1795754808.4299045, "attempts": 0}');
INSERT INTO "journal" ("seq", "at", "channel", "stream_id", "stream_name", "index_id", "alert_id", "data") VALUES (16,1.79575480843209099772e+09,'catalogue','rts-e12b66adecf3cb88','Gone','','','{"change": "added", "kind": "stream", "id": "rts-e12b66adecf3cb88", "name": "Gone"}');
INSERT INTO "journal" ("seq", "at", "channel", "stream_id", "stream_name", "index_id", "alert_id", "data") VALUES (17,1.79575480843759965896e+09,'catalogue','rts-e12b66adecf3cb88','Gone','scene-idx-8d18c1be901a','','{"change": "added", "kind": "index", "id": "scene-idx-8d18c1be901a", "name": ""}');
INSERT INTO "journal" ("seq", "at", "channel", "stream_id", "stream_name", "index_id", "alert_id", "data") VALUES (18,1.79575481008003926281e+09,'scene_index','rts-e12b66adecf3cb88','Gone','scene-idx-8d18c1be901a','','{"text": "Text on screen: \u201cInvoice 4711\u201d; \u201c00:10.0\u201d; \u201cInvoice 4711\u201d; \u201cCustomer: Northwind GmbH\u201d; \u201cAmount due: EUR 1,284.50\u201d; \u201cDue date: 2031-03-14\u201d. First look. Main colours: white, light grey.", "start": 1795754808.0, "end": 1795754809.0, "rtstream_index_id": "scene-idx-8d18c1be901a", "index_name": "", "scene_id": 5, "model": "local", "status": "ok"}');
INSERT INTO "journal" ("seq", "at", "channel", "stream_id", "stream_name", "index_id", "alert_id", "data") VALUES (19,1.79575481080551123619e+09,'scene_index','rts-e12b66adecf3cb88','Gone','scene-idx-8d18c1be901a','','{"text": "Text on screen: \u201cInvoice 4711\u201d; \u201c00:11.0\u201d; \u201cInvoice 4711\u201d; \u201cCustomer: Northwind GmbH\u201d; \u201cAmount due: EUR 1,284.50\u201d; \u201cDue date: 2031-03-14\u201d. New since the last look: \u201c00:11.0\u201d. Gone since the last look: \u201c00:10.0\u201d. 2 % of the picture changed. Main colours: white, light grey.", "start": 1795754809.0, "end": 1795754810.0, "rtstream_index_id": "scene-idx-8d18c1be901a", "index_name": "", "scene_id": 6, "model": "local", "status": "ok"}');
INSERT INTO "journal" ("seq", "at", "channel", "stream_id", "stream_name", "index_id", "alert_id", "data") VALUES (20,1.79575481229222059251e+09,'scene_index','rts-e12b66adecf3cb88','Gone','scene-idx-8d18c1be901a','','{"text": "Text on screen: \u201cSl\u0101ck\u201d; \u201c00:00.0\u201d; \u201cSlack\u201d; \u201c#billing\u201d; \u201cAna: can you pay invoice 4711 today?\u201d; \u201cBen: yes, right after the stand-up\u201d. New since the last look: \u201cSl\u0101ck\u201d; \u201c00:00.0\u201d; \u201cSlack\u201d; \u201c#billing\u201d; \u201cAna: can you pay invoice 4711 today?\u201d; \u201cBen: yes, right after the stand-up\u201d. Gone since the last look: \u201cInvoice 4711\u201d; \u201c00:11.0\u201d; \u201cInvoice 4711\u201d; \u201cCustomer: Northwind GmbH\u201d; \u201cAmount due: EUR 1,284.50\u201d; \u201cDue date: 2031-03-14\u201d. The picture was cut to another. Main colours: dark grey.", "start": 1795754810.0, "end": 1795754811.0, "rtstream_index_id": "scene-idx-8d18c1be901a", "index_name": "", "scene_id": 7, "model": "local", "status": "ok"}');
INSERT INTO "journal" ("seq", "at", "channel", "stream_id", "stream_name", "index_id", "alert_id", "data") VALUES (21,1.795754812464985609e+09,'catalogue','rts-e12b66adecf3cb88','Gone','','','{"change": "removed", "kind": "stream", "id": "rts-e12b66adecf3cb88", "name": "Gone"}');
INSERT INTO "ws_bindings" ("connection_id", "kind", "target_id", "created_at") VALUES ('ws-1','stream','rts-007c268170870c0e',1.79575479949610877037e+09);
INSERT INTO "search_docs" ("id", "place", "origin", "ref", "start", "end", "text", "model", "bits") VALUES (1,1,2,1,1795754798.0,1795754800.0,'invoice: "Invoice 4711" was found in the line: Ana: can you pay invoice 4711 today?.',NULL,NULL);
INSERT INTO "search_docs" ("id", "place", "origin", "ref", "start", "end", "text", "model", "bits") VALUES (2,2,0,1,1795754798.0,1795754800.0,NULL,NULL,NULL);
INSERT INTO "search_docs" ("id", "place", "origin", "ref", "start", "end", "text", "model", "bits") VALUES (3,2,0,2,1795754800.0,1795754802.0,NULL,NULL,NULL);
INSERT INTO "search_docs" ("id", "place", "origin", "ref", "start", "end", "text", "model", "bits") VALUES (4,2,0,3,1795754802.0,1795754804.0,NULL,NULL,NULL);
INSERT INTO "search_docs" ("id", "place", "origin", "ref", "start", "end", "text", "model", "bits") VALUES (5,2,0,4,1795754804.0,1795754806.0,NULL,NULL,NULL);
INSERT INTO "search_docs" ("id", "place", "origin", "ref", "start", "end", "text", "model", "bits") VALUES (6,5,1,1,1.79575479927114915841e+09,1.79575480127114915848e+09,NULL,NULL,NULL);
INSERT INTO "search_docs" ("id", "place", "origin", "ref", "start", "end", "text", "model", "bits") VALUES (7,5,1,2,1.79575480227114915848e+09,1.79575480427114915851e+09,NULL,NULL,NULL);
INSERT INTO "search_docs" ("id", "place", "origin", "ref", "start", "end", "text", "model", "bits") VALUES (8,6,3,1,1.0,2.5,NULL,NULL,NULL);
INSERT INTO "search_cursors" ("origin", "reached") VALUES (0,4);
INSERT INTO "search_cursors" ("origin", "reached") VALUES (1,2);
INSERT INTO "search_cursors" ("origin", "reached") VALUES (2,4);
INSERT INTO "search_cursors" ("origin", "reached") VALUES (3,1);
INSERT INTO "search_removed" ("id", "text") VALUES (9,'Text on screen: “Invoice 4711”; “00:10.0”; “Invoice 4711”; “Customer: Northwind GmbH”; “Amount due: EUR 1,284.50”; “Due date: 2031-03-14”. First look. Main colours: white, light grey.');
INSERT INTO "search_removed" ("id", "text") VALUES (10,'Text on screen: “Invoice 4711”; “00:11.0”; “Invoice 4711”; “Customer: Northwind GmbH”; “Amount due: EUR 1,284.50”; “Due date: 2031-03-14”. New since the last look: “00:11.0”. Gone since the last look: “00:10.0”. 2 % of the picture changed. Main colours: white, light grey.');
INSERT INTO "search_removed" ("id", "text") VALUES (11,'Text on screen: “Slāck”; “00:00.0”; “Slack”; “#billing”; “Ana: can you pay invoice 4711 today?”; “Ben: yes, right after the stand-up”. New since the last look: “Slāck”; “00:00.0”; “Slack”; “#billing”; “Ana: can you pay invoice 4711 today?”; “Ben: yes, right after the stand-up”. Gone since the last look: “Invoice 4711”; “00:11.0”; “Invoice 4711”; “Customer: Northwind GmbH”; “Amount due: EUR 1,284.50”; “Due date: 2031-03-14”. The picture was cut to another. Main colours: dark grey.');
INSERT INTO "videos" ("id", "collection_id", "stream_id", "name", "path", "start", "duration", "detail", "created_at") VALUES ('m-15da18d6568ddde3','default','rts-007c268170870c0e','Visit','m-15da18d6568ddde3',1.79575479847996377948e+09,8.76666665077209472656e+00,'{"key": "rec-44a81bf105764a46", "size": 267614, "covered": [[1795754798.4799638, 1795754807.2466304]]}',1.79575480747059106827e+09);
INSERT INTO "recordings" ("id", "stream_id", "started_at", "ended_at", "closed", "init", "codecs", "log_position", "media_start") VALUES ('rec-44a81bf105764a46','rts-007c268170870c0e',1.79575479847996377948e+09,1.79575480724663043025e+09,1,X'0000001C6674797069736F350000020069736F3569736F366D703431000002D86D6F6F760000006C6D766864000000000000000000000000000003E8000000000001000001000000000000000000000000010000000000000000000000000000000100000000000000000000000000004000000000000000000000000000000000000000000000000000000000000002000001DA7472616B0000005C746B6864000000030000000000000000000000010000000000000000000000000000000000000000000000000001000000000000000000000000000000010000000000000000000000000000400000000280000001680000000001766D646961000000206D64686400000000000000000000000000015F900000000055C400000000002D68646C72000000000000000076696465000000000000000000000000566964656F48616E646C657200000001216D696E6600000014766D68640000000100000000000000000000002464696E660000001C6472656600000000000000010000000C75726C2000000001000000E17374626C00000095737473640000000000000001000000856176633100000000000000010000000000000000000000000000000002800168004800000048000000000000000100000000000000000000000000000000000000000000000000000000000000000018FFFF0000002F617663430142C01EFFE100186742C01EDA0280BFE584000003000400000300F03C58BA8001000468CE3C800000001073747473000000000000000000000010737473630000000000000000000000147374737A000000000000000000000000000000107374636F0000000000000000000000286D766578000000207472657800000000000000010000000100000000000000000000000000000062756474610000005A6D657461000000000000002168646C7200000000000000006D6469726170706C0000000000000000000000002D696C737400000025A9746F6F0000001D6461746100000001000000004C61766636322E31322E313032','avc1.42C01E',NULL,NULL);
INSERT INTO "scene_indexes" ("id", "stream_id", "name", "extraction_type", "extraction_config", "prompt", "model_name", "model_config", "status", "status_reason", "counters", "created_at", "looked_from", "after_scene") VALUES ('scene-idx-358a7df4e37d','rts-007c268170870c0e','Screen','time','{"time": 2, "frame_count": 2}','What is on screen?',NULL,'{}','stopped','stopped by request','{"done": 4}',1.79575479943780398368e+09,NULL,NULL);
INSERT INTO "transcript_jobs" ("stream_id", "engine", "status", "language", "created_at", "updated_at") VALUES ('rts-007c268170870c0e','local','stopped','en',1.79575480727114915845e+09,1.79575480727114915845e+09);
INSERT INTO "transcript_segments" ("id", "stream_id", "engine", "start", "end", "text", "kind", "detail", "created_at") VALUES (1,'rts-007c268170870c0e','local',1.79575479927114915841e+09,1.79575480127114915848e+09,'Good morning, the shipment leaves on Friday.','speech','{"words": [], "confidence": 0.9}',1.79575480727114915845e+09);
INSERT INTO "transcript_segments" ("id", "stream_id", "engine", "start", "end", "text", "kind", "detail", "created_at") VALUES (2,'rts-007c268170870c0e','local',1.79575480227114915848e+09,1.79575480427114915851e+09,'Please call the café about the broken window.','speech','{"words": [], "confidence": 0.9}',1.79575480727114915845e+09);
INSERT INTO "video_transcripts" ("video_id", "engine", "language", "sound", "created_at") VALUES ('m-15da18d6568ddde3','local','en',1,1.79575480727114915845e+09);
INSERT INTO "video_segments" ("id", "video_id", "start", "end", "text", "words") VALUES (1,'m-15da18d6568ddde3',1.0,2.5,'The parcel is behind the door.','[{"word": "The", "start": 1.0, "end": 1.2}, {"word": "parcel", "start": 1.2, "end": 1.4}, {"word": "is", "start": 1.4, "end": 1.6}, {"word": "behind", "start": 1.6, "end": 1.8}, {"word": "the", "start": 1.8, "end": 2.0}, {"word": "door.", "start": 2.0, "end": 2.2}]');
INSERT INTO "search_places" ("id", "kind", "stream_id", "video_id", "index_id") VALUES (1,'alert','rts-007c268170870c0e',NULL,'scene-idx-358a7df4e37d');
INSERT INTO "search_places" ("id", "kind", "stream_id", "video_id", "index_id") VALUES (2,'visual','rts-007c268170870c0e',NULL,'scene-idx-358a7df4e37d');
INSERT INTO "search_places" ("id", "kind", "stream_id", "video_id", "index_id") VALUES (5,'transcript','rts-007c268170870c0e',NULL,'');
INSERT INTO "search_places" ("id", "kind", "stream_id", "video_id", "index_id") VALUES (6,'video',NULL,'m-15da18d6568ddde3','');
INSERT INTO "segments" ("stream_id", "start", "duration", "recording_id", "path", "offset", "length") VALUES ('rts-007c268170870c0e',1.79575479847996377948e+09,1.0,'rec-44a81bf105764a46','rec-44a81bf105764a46/000000.m4s',0,25632);
INSERT INTO "segments" ("stream_id", "start", "duration", "recording_id", "path", "offset", "length") VALUES ('rts-007c268170870c0e',1.79575479947996377938e+09,1.0,'rec-44a81bf105764a46','rec-44a81bf105764a46/000000.m4s',25632,26390);
INSERT INTO "segments" ("stream_id", "start", "duration", "recording_id", "path", "offset", "length") VALUES ('rts-007c268170870c0e',1.79575480047996377942e+09,1.0,'rec-44a81bf105764a46','rec-44a81bf105764a46/000000.m4s',52022,29426);
INSERT INTO "segments" ("stream_id", "start", "duration", "recording_id", "path", "offset", "length") VALUES ('rts-007c268170870c0e',1.79575480147996377946e+09,1.0,'rec-44a81bf105764a46','rec-44a81bf105764a46/000000.m4s',81448,31593);
INSERT INTO "segments" ("stream_id", "start", "duration", "recording_id", "path", "offset", "length") VALUES ('rts-007c268170870c0e',1.79575480247996377945e+09,1.0,'rec-44a81bf105764a46','rec-44a81bf105764a46/000000.m4s',113041,31641);
INSERT INTO "segments" ("stream_id", "start", "duration", "recording_id", "path", "offset", "length") VALUES ('rts-007c268170870c0e',1.79575480347996377945e+09,1.0,'rec-44a81bf105764a46','rec-44a81bf105764a46/000000.m4s',144682,30563);
INSERT INTO "segments" ("stream_id", "start", "duration", "recording_id", "path", "offset", "length") VALUES ('rts-007c268170870c0e',1.79575480447996377948e+09,1.0,'rec-44a81bf105764a46','rec-44a81bf105764a46/000000.m4s',175245,30165);
INSERT INTO "segments" ("stream_id", "start", "duration", "recording_id", "path", "offset", "length") VALUES ('rts-007c268170870c0e',1.79575480547996377939e+09,1.0,'rec-44a81bf105764a46','rec-44a81bf105764a46/000000.m4s',205410,31328);
INSERT INTO "segments" ("stream_id", "start", "duration", "recording_id", "path", "offset", "length") VALUES ('rts-007c268170870c0e',1.79575480647996377943e+09,7.66666666666667495633e-01,'rec-44a81bf105764a46','rec-44a81bf105764a46/000000.m4s',236738,28194);
INSERT INTO "scenes" ("id", "index_id", "stream_id", "start", "end", "text", "status", "model", "data", "detail", "created_at", "gap_id") VALUES (1,'scene-idx-358a7df4e37d','rts-007c268170870c0e',1795754798.0,1795754800.0,'Text on screen: “Slack”; “00:01.0”; “Slack”; “# billing”; “Ana: can you pay invoice 4711 today?”; “Ben: yes, right after the stand-up”. First look. Main colours: dark grey.','ok','local','null','{"frame_times": [1795754799.48], "latency_s": 1.19, "lines": ["Slack", "00:01.0", "Slack", "# billing", "Ana: can you pay invoice 4711 today?", "Ben: yes, right after the stand-up"], "changes": {"first": true, "changed": true, "share": 1.0, "cut": false, "cuts": 0, "motion": 0.0, "frozen": false, "still_s": 0.0, "black": false, "blank": false, "colours": ["dark grey"], "text_read": true, "appeared": [], "disappeared": []}}',1.79575480322599792485e+09,NULL);
INSERT INTO "scenes" ("id", "index_id", "stream_id", "start", "end", "text", "status", "model", "data", "detail", "created_at", "gap_id") VALUES (2,'scene-idx-358a7df4e37d','rts-007c268170870c0e',1795754800.0,1795754802.0,'Text on screen: “Slack”; “00:03.0”; “Slack”; “# billing”; “Ana: can you pay invoice 4711 today?”; “Ben: yes, right after the stand-up”. New since the last look: “00:03.0”. Gone since the last look: “00:01.0”. 2 % of the picture changed. Main colours: dark grey.','ok','local','null','{"frame_times": [1795754800.48, 1795754801.48], "latency_s": 0.184, "lines": ["Slack", "00:03.0", "Slack", "# billing", "Ana: can you pay invoice 4711 today?", "Ben: yes, right after the stand-up"], "changes": {"first": false, "changed": true, "share": 0.018, "cut": false, "cuts": 0, "motion": 0.021, "frozen": false, "still_s": 0.0, "black": false, "blank": false, "colours": ["dark grey"], "text_read": true, "appeared": ["00:03.0"], "disappeared": ["00:01.0"]}}',1.79575480341625666621e+09,NULL);
INSERT INTO "scenes" ("id", "index_id", "stream_id", "start", "end", "text", "status", "model", "data", "detail", "created_at", "gap_id") VALUES (3,'scene-idx-358a7df4e37d','rts-007c268170870c0e',1795754802.0,1795754804.0,'Text on screen: “Terminal”; “00:05.0”; “Terminal”; “$ git pull --rebase”; “$ pytest -q”; “312 passed in 8.41s”; “$ git push origin main”. New since the last look: “Terminal”; “00:05.0”; “Terminal”; “$ git pull --rebase”; “$ pytest -q”; “312 passed in 8.41s”; “$ git push origin main”. Gone since the last look: “Slack”; “00:03.0”; “Slack”; “# billing”; “Ana: can you pay invoice 4711 today?”; “Ben: yes, right after the stand-up”. The picture was cut to another. Main colours: black, dark grey.','ok','local','null','{"frame_times": [1795754802.48, 1795754803.48], "latency_s": 0.445, "lines": ["Terminal", "00:05.0", "Terminal", "$ git pull --rebase", "$ pytest -q", "312 passed in 8.41s", "$ git push origin main"], "changes": {"first": false, "changed": true, "share": 0.962, "cut": true, "cuts": 1, "motion": 0.02, "frozen": false, "still_s": 0.0, "black": false, "blank": false, "colours": ["black", "dark grey"], "text_read": true, "appeared": ["Terminal", "00:05.0", "Terminal", "$ git pull --rebase", "$ pytest -q", "312 passed in 8.41s", "$ git push origin main"], "disappeared": ["Slack", "00:03.0", "Slack", "# billing", "Ana: can you pay invoice 4711 today?", "Ben: yes, right after the stand-up"]}}',1795754805.13525,NULL);
INSERT INTO "scenes" ("id", "index_id", "stream_id", "start", "end", "text", "status", "model", "data", "detail", "created_at", "gap_id") VALUES (4,'scene-idx-358a7df4e37d','rts-007c268170870c0e',1795754804.0,1795754806.0,'Text on screen: “Terminal”; “00:07.0”; “Terminal”; “$ git pull --rebase”; “$ pytest -q”; “312 passed in 8.41s”; “$ git push origin main”. New since the last look: “00:07.0”. Gone since the last look: “00:05.0”. 2 % of the picture changed. Main colours: black, dark grey.','ok','local','null','{"frame_times": [1795754804.48, 1795754805.48], "latency_s": 0.082, "lines": ["Terminal", "00:07.0", "Terminal", "$ git pull --rebase", "$ pytest -q", "312 passed in 8.41s", "$ git push origin main"], "changes": {"first": false, "changed": true, "share": 0.018, "cut": false, "cuts": 0, "motion": 0.022, "frozen": false, "still_s": 0.0, "black": false, "blank": false, "colours": ["black", "dark grey"], "text_read": true, "appeared": ["00:07.0"], "disappeared": ["00:05.0"]}}',1.79575480660653185845e+09,NULL);
INSERT INTO "decisions" ("id", "alert_id", "scene_id", "at", "outcome", "reason", "confidence", "explanation", "seq", "segment_id") VALUES (1,'alert-b73966ab4acb',1,1.79585776054041361803e+09,'fired','',0.99,'"Invoice 4711" was found in the line: Ana: can you pay invoice 4711 today?.',6,NULL);
INSERT INTO "decisions" ("id", "alert_id", "scene_id", "at", "outcome", "reason", "confidence", "explanation", "seq", "segment_id") VALUES (2,'alert-b73966ab4acb',2,1.79585776054041361803e+09,'suppressed','this episode has already been reported',0.99,'"Invoice 4711" was found in the line: Ana: can you pay invoice 4711 today?.',NULL,NULL);
INSERT INTO "decisions" ("id", "alert_id", "scene_id", "at", "outcome", "reason", "confidence", "explanation", "seq", "segment_id") VALUES (3,'alert-b73966ab4acb',3,1.79585776054041361803e+09,'no_match','',0.9,'"Invoice 4711" was not found.',NULL,NULL);
INSERT INTO "decisions" ("id", "alert_id", "scene_id", "at", "outcome", "reason", "confidence", "explanation", "seq", "segment_id") VALUES (4,'alert-b73966ab4acb',4,1.79585776054041361803e+09,'no_match','',0.9,'"Invoice 4711" was not found.',NULL,NULL);
INSERT INTO "deliveries" ("id", "alert_id", "seq", "url", "payload", "state", "attempts", "next_at", "created_at") VALUES ('msg-046f2ff402dbddcc7344','alert-b73966ab4acb',6,'http://127.0.0.1:9/hook','{"event_id": "event-64ae978ca9f1af37", "label": "invoice", "confidence": 0.99, "explanation": "\"Invoice 4711\" was found in the line: Ana: can you pay invoice 4711 today?.", "timestamp": "2026-11-27T04:46:43.249930+00:00", "start_time": "2026-11-27T04:46:38+00:00", "end_time": "2026-11-27T04:46:40+00:00", "rtstream_index_id": "scene-idx-358a7df4e37d", "alert_id": "alert-b73966ab4acb", "stream_url": "http://127.0.0.1:8740/manifests/rts-007c268170870c0e/1795754795000000-1795754802000000.m3u8?token=.eJyLVioqKdY1MDBPNjKzMDQ3sDA3SDZIVdIxNLc0NTc1AZIGYAATsDAwQgiYGZtamhkY6yhl5pXlZyYDtSkp6UTHxgIAUu4T_Q.SJC1Ei8Sloewx-7APQJdl0pI--M", "player_url": "http://127.0.0.1:8740/watch?v=.eJyLVioqKdY1MDBPNjKzMDQ3sDA3SDZIVdIxNLc0NTc1AZIGYAATsDAwQgiYGZtamhkY6yhl5pXlZyYDtSkp6UTHxgIAUu4T_Q.SJC1Ei8Sloewx-7APQJdl0pI--M", "rtstream_id": "rts-007c268170870c0e", "rtstream_name": "Desk", "seq": 6}','pending',3,1.79594416054110908509e+09,1.79575480324993014334e+09);
INSERT INTO "delivery_attempts" ("id", "delivery_id", "at", "status", "latency_s", "error") VALUES (1,'msg-046f2ff402dbddcc7344',1.79575480339536356928e+09,NULL,0.1263,'the receiver could not be reached (ConnectionRefusedError)');
INSERT INTO "delivery_attempts" ("id", "delivery_id", "at", "status", "latency_s", "error") VALUES (2,'msg-046f2ff402dbddcc7344',1.79575480540848946573e+09,NULL,0.0017,'the receiver could not be reached (ConnectionRefusedError)');
INSERT INTO "delivery_attempts" ("id", "delivery_id", "at", "status", "latency_s", "error") VALUES (3,'msg-046f2ff402dbddcc7344',1.79575481092932510377e+09,NULL,0.0048,'the receiver could not be reached (ConnectionRefusedError)');
INSERT INTO "alembic_version" ("version_num") VALUES ('0021');
DELETE FROM "search_words_data";
INSERT INTO "search_words_data" ("id", "block") VALUES (1,X'0B8318');
INSERT INTO "search_words_data" ("id", "block") VALUES (10,X'000000000101010001010101');
INSERT INTO "search_words_data" ("id", "block") VALUES (137438953473,X'00000E250230300202080106081A0A0106081A1A010608190A0402090106091A0A0106081B1C0201300202060106061A0A0106061A1A010606190A0402070106071A0A010A06031A031B0201310202070102270201330304071A01023705021801021801024A0201350404071A010226020137050407190101310902120102120102440201300902080102280201310A04081A01023A02013409021901021901024B01013203022902022805022A020330333109021701021701024902023834090213010213010245010333313204040F1A01020F010234310404131A01021302033731310104040D01021001021001024005040607010406070108101B1107010235300902140102140102460101380404121A010212010561626F75740702060204667465720202150102150102450704151B02056D6F756E7409020F01020F01024102026E6101020A01020B01020B01023B07040B1B03036F746804024E0702510106626568696E6408020503016E0202120102120102420704121B0203696C6C02020A01020A01023A07040A1B02046C61636B04025101022F0205726F6B656E07020801046361666507020503026C6C07020303016E01020B01020C01020C01023C07040C1B020468616E6703022D02022C05022E02056F6C6F757202021C01022F01025001022E04021D01023001025302057573746F6D09020C01020C01023E03017404024C07024F01046461726B02021D0102300102520102300602540302746509021601021601024802036F6F720802070202756509041007010410070104420701036575720902110102110102430105666972737402021907021A02046F756E6401020602057269646169060208010367697404080A0C100C01040A0C02036D626809020E01020E01024002036F6E6503022101023001022005022201023203026F64060202020372656902021E0102310102530102310402200102330102550102696E0102070304111A0102110304766F6963010602030D01020F01020F01023F050405070104050701080F1B110702017308020401046C61737403041C0A01041B1A01041B0A05041D0A01041C1B020365617606020602046967687409021F01023203026E6501020902036F6F6B02021A01041D0A01041C1A01041C0A04021B01041E0A01041D1B01046D61696E02021B01022E0106171A220104171804021C01022F01025202036F726E06020301036E657703021901021801021805021A01021902086F72746877696E6409020D01020D01023F01026F6603022A02022905022B02016E0202030102030102030102030102070302030102030102030205726967696E0404161A010216010370616901020D01020E01020E01023E07040E1B03047263656C080203030273730404101A0102100205696374757203022C01024A01022B05022D01024D02046C6561730702020203756C6C04040B1A01020B030273680404151A0102150205797465737404040D1A01020D01017104040E1A01020E0105726562617304040C1A01020C0204696768740202140102140102440704141B010673637265656E02020401020401020401020404020401020401020402076869706D656E740602050203696E6303041A0A0104191A0104190A05041B0A01041A1B02046C61636B020405060104050601043506070805061706020474616E640202170102170102470704171B01067465726D696E040805061606010405060302787402020201020201020201020204020201020201020202026865010208010216010816070A0A01081A1A160501061A0A0A010204010404050104020602061C0A0A010A160716071A02016F04024D07025003036461690102100102110102110102410704111B010275700202180102180102480704181B0102776101020503024B07024E02046869746509021E0102310205696E646F77070209010279650202130102130102430704131B02026F7501020C01020D01020D01023D07040D1B00033130300202060106061A0A0106061A1A010606190A0402070106071A0A010A06031A031B0201310202070102270201330304071A01023705021801021801024A0201350404071A01022602013705040719010231300902080102280201310A04081A01023A02013409021901021901024B010232300902170102170102490201380902130102130102450102333104040F1A01020F010234310404131A0102130201370104040D01021001021001024005040607010406070108101B110701023530090214010214010246010261620702060201660202150102150102450704151B02016D09020F01020F01024102016E01020A01020B01020B01043B1507060B1B2F010262650202120102120102420402050304121B02016902020A01020A01023A07040A1B02016C04025101022F0201720702080102636101020B01020C01020C01023C0304030404040C1B02016803022D02022C05022E02016F02021C01022F01025001022E04021D01023001025302017504024C05020C01020C01043E130102646102021D0102300102520102300402160102160104480E02016F080207020175090410070104100701044207010265750902110102110102430102666902021907021A02016F0102060201720602080102676904080A0C100C01040A0C02016D09020E01020E01024002016F03022101023001022001020204022201023202017202021E0102310102530102310402200102330102550102696E01080203060901020F01020F0106111A18010211040405070104050701080F1B110702017308020401026C6103041C0A01041B1A01041B0A05041D0A01041C1B02016506020602016901020908021F01023202016F02021A01041D0A01041C1A01041C0A04021B01041E0A01041D1B01026D6102021B01022E0106171A220104171804021C01022F01025202016F06020301026E6503021901021801021805021A01021902016F09020D01020D01023F01026F6603022A02022905022B02016E0202030102030102030102030102070302030102030102030201720404161A0102160102706101020D01020E01020E0106101A1801021003020303040E1B02016903022C01024A01022B05022D01024D02016C07020202017504080B0C100C01040B0C02017904040D1A01020D0102726504040C1A01020C0201690202140102140102440704141B0102736302020401020401020401020404020401020401020402016806020502016903041A0A0104191A0104190A05041B0A01041A1B02016C0204050601040506010435060708050617060201740202170102170102470704171B01027465020202010202010A02050616060106020506040202010202010202020168010208010216010816070A0A01081A1A160501061A0A0A010204010404050104020602061C0A0A010A160716071A02016F0102100102110102110104410E0706111B28010275700202180102180102480704181B0102776101020503024B07024E02016809021E010231020169070209010279650202130102130102430704131B02016F01020C01020D01020D01023D07040D1B00043232303309021701021701024902023834090213010213010245010333313204040F1A01020F01033437310104040D01021001021001024005040607010406070108101B1107010361626F070206020266740202150102150102450704151B02026D6F09020F01020F01024102026E6101020A01020B01020B01023B07040B1B03016F04024E070251010362656808020503016E0202120102120102420704121B0202696C02020A01020A01023A07040A1B02026C6104025101022F0202726F070208010363616607020503016C07020303016E01020B01020C01020C01023C07040C1B0202686103022D02022C05022E02026F6C02021C01022F01025001022E04021D0102300102530202757309020C01020C01023E03017404024C07024F010364617202021D01023001025201023006025403017409021601021601024802026F6F080207020275650904100701041007010442070103657572090211010211010243010366697202021907021A02026F7501020602027269060208010367697404080A0C100C01040A0C02026D6209020E01020E01024002026F6E03022101023001022005022201023203016F0602020202726502021E0102310102530102310402200102330102550103696E76010602030D01020F01020F01023F050405070104050701080F1B110701036C617303041C0A01041B1A01041B0A05041D0A01041C1B020265610602060202696709021F01023203016E01020902026F6F02021A01041D0A01041C1A01041C0A04021B01041E0A01041D1B01036D616902021B01022E0106171A220104171804021C01022F01025202026F7206020301036E657703021901021801021805021A01021902026F7209020D01020D01023F01036F72690404161A010216010370616901020D01020E01020E01023E07040E1B0301720802030301730404101A0102100202696303022C01024A01022B05022D01024D02026C650702020202756C04040B1A01020B0301730404151A0102150202797404040D1A01020D010372656204040C1A01020C020269670202140102140102440704141B0103736372020204010204010204010204040204010204010204020268690602050202696E03041A0A0104191A0104190A05041B0A01041A1B02026C61020405060104050601043506070805061706020274610202170102170102470704171B01037465720408050616060104050603017802020201020201020201020204020201020201020202026865010208010216010816070A0A01081A1A160501061A0A0A010204010404050104020602061C0A0A010A160716071A02026F640102100102110102110102410704111B010377686909021E0102310202696E0702090103796F7501020C01020D01020D01023D07040D1B04222409130A070C090A0C0C0E0D0C0B200D0A0A1310140B0B10120C0A0907130F1C1009150D08100E0D090A0F0E14071A0E22061A080C071F1E0814130D1B0E15090B16090C0B0E0A0E131D0C1918131219320915110D0C0A11142609130A070A0A0C0D0C0B0B1E0D07100C1514100906180C18101A060F0D0A06060E0C1518260618060C1D1C06130C0D1B0A1C12060D0A0B1019061715101F3115110D090611130F0D0C2008110D14090810110A070806130D190D09140C07100E0B07070F0D1306192119070A061E1D07140D0C15060A13070B0A0B0C111A071816110F1832140B07');
DELETE FROM "search_words_idx";
INSERT INTO "search_words_idx" ("segid", "term", "pgno") VALUES (1,X'',2);
DELETE FROM "search_words_config";
INSERT INTO "search_words_config" ("k", "v") VALUES ('version',4);
INSERT INTO "pins" ("id", "stream_id", "start", "end", "owner_id", "owner_kind") VALUES (1,'rts-007c268170870c0e',1795754795.0,1795754802.0,'alert-b73966ab4acb','alert');
INSERT INTO "pins" ("id", "stream_id", "start", "end", "owner_id", "owner_kind") VALUES (2,'rts-007c268170870c0e',1795754790.0,1795754800.0,'m-4f1d20c3a7be','export');
INSERT INTO "streams" ("id", "name", "url", "collection_id", "created_at", "media_types", "sample_rate", "store", "enable_transcript", "desired", "health", "media", "retention", "recorded_bytes", "tracks", "audio", "detect_url", "vocabulary") VALUES ('rts-007c268170870c0e','Desk','rtsp://127.0.0.1:33045/live','default',1.79575479855995702744e+09,'["video"]',30.0,1,0,'stopped','{"state": "stopped", "reason": "stopped by request", "since": 1795754807.3051171, "attempts": 0, "lag_s": null, "skipped": {}}','{"video_codec": "h264", "width": 640, "height": 360, "fps": 30.0}','{}',264932,NULL,0,NULL,NULL);
INSERT INTO "alerts" ("id", "index_id", "event_id", "callback_url", "status", "options", "state", "judged_scene", "fired", "created_at", "stream_id") VALUES ('alert-b73966ab4acb','scene-idx-358a7df4e37d','event-64ae978ca9f1af37','http://127.0.0.1:9/hook','enabled','{}','{"hits": 0, "reported": false, "fired_at": 1795754800.0, "present": false}',4,1,1.79575479947496867176e+09,'rts-007c268170870c0e');
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" ("name", "seq") VALUES ('journal',21);
INSERT INTO "sqlite_sequence" ("name", "seq") VALUES ('search_places',9);
INSERT INTO "sqlite_sequence" ("name", "seq") VALUES ('search_docs',11);
INSERT INTO "sqlite_sequence" ("name", "seq") VALUES ('video_segments',1);
CREATE INDEX journal_by_stream ON journal (stream_id, channel, seq);
CREATE UNIQUE INDEX search_docs_by_ref ON search_docs (ref, origin);
CREATE INDEX ix_videos_stream_id ON videos (stream_id);
CREATE INDEX ix_recordings_stream_id ON recordings (stream_id);
CREATE INDEX ix_scene_indexes_stream_id ON scene_indexes (stream_id);
CREATE INDEX transcripts_by_stream ON transcript_segments (stream_id, engine, start);
CREATE INDEX video_segments_by_video ON video_segments (video_id, start);
CREATE UNIQUE INDEX search_places_of_videos ON search_places (video_id);
CREATE UNIQUE INDEX search_places_of_streams ON search_places (stream_id, kind, index_id);
CREATE INDEX scenes_by_index ON scenes (index_id, start);
CREATE INDEX scenes_by_stream ON scenes (stream_id, start);
CREATE INDEX decisions_by_alert ON decisions (alert_id, at);
CREATE INDEX deliveries_pending ON deliveries (alert_id, seq) WHERE state = 'pending';
CREATE INDEX deliveries_by_alert ON deliveries (alert_id, seq);
CREATE INDEX ix_delivery_attempts_delivery_id ON delivery_attempts (delivery_id);
CREATE TRIGGER search_removed_scenes AFTER DELETE ON scenes BEGIN
    INSERT INTO search_removed(id, text)
        SELECT id, old.text FROM search_docs WHERE ref = old.id AND origin = 0;
    DELETE FROM search_docs WHERE ref = old.id AND origin = 0;
    UPDATE search_cursors SET reached = min(reached, coalesce((SELECT max(id) FROM scenes), 0))
        WHERE origin = 0;
END;
CREATE TRIGGER search_removed_decisions AFTER DELETE ON decisions BEGIN
    INSERT INTO search_removed(id, text)
        SELECT id, text FROM search_docs WHERE ref = old.id AND origin = 2;
    DELETE FROM search_docs WHERE ref = old.id AND origin = 2;
    UPDATE search_cursors SET reached = min(reached, coalesce((SELECT max(id) FROM decisions), 0))
        WHERE origin = 2;
END;
CREATE TRIGGER search_removed_video_segments AFTER DELETE ON video_segments BEGIN
    INSERT INTO search_removed(id, text)
        SELECT id, old.text FROM search_docs WHERE ref = old.id AND origin = 3;
    DELETE FROM search_docs WHERE ref = old.id AND origin = 3;
    UPDATE search_cursors SET reached = min(reached, coalesce((SELECT max(id) FROM video_segments), 0))
        WHERE origin = 3;
END;
CREATE UNIQUE INDEX links_by_target ON links (target_hash);
CREATE INDEX links_by_age ON links (created_at);
CREATE INDEX ix_links_stream_id ON links (stream_id);
CREATE INDEX ix_links_video_id ON links (video_id);
CREATE INDEX ix_links_expires_at ON links (expires_at);
CREATE INDEX pins_by_stream ON pins (stream_id, start);
CREATE INDEX ix_gaps_index_id ON gaps (index_id);
CREATE INDEX ix_unfinished_utterances_video_id ON unfinished_utterances (video_id);
CREATE INDEX ix_alert_group_streams_alert_id ON alert_group_streams (alert_id);
CREATE INDEX ix_alerts_index_id ON alerts (index_id);
CREATE INDEX ix_alerts_stream_id ON alerts (stream_id);
CREATE TRIGGER search_removed_transcript_segments AFTER DELETE ON transcript_segments BEGIN
    INSERT INTO search_removed(id, text)
        SELECT id, coalesce(text, old.text) FROM search_docs WHERE ref = old.id AND origin = 1;
    DELETE FROM search_docs WHERE ref = old.id AND origin = 1;
    UPDATE search_cursors SET reached = min(reached, coalesce((SELECT max(id) FROM transcript_segments), 0))
        WHERE origin = 1;
END;
