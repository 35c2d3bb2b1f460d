PRAGMA user_version=10;
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
CREATE TABLE streams (
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
	PRIMARY KEY (id), 
	FOREIGN KEY(collection_id) REFERENCES collections (id)
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
	codecs VARCHAR NOT NULL, log_position BIGINT, 
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
	created_at FLOAT NOT NULL, 
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
CREATE TABLE pins (
	id INTEGER NOT NULL, 
	stream_id VARCHAR NOT NULL, 
	start FLOAT NOT NULL, 
	"end" FLOAT NOT NULL, 
	alert_id VARCHAR NOT NULL, 
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
	created_at FLOAT NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(index_id) REFERENCES scene_indexes (id) ON DELETE CASCADE, 
	FOREIGN KEY(stream_id) REFERENCES streams (id) ON DELETE CASCADE
);
CREATE TABLE alerts (
	id VARCHAR NOT NULL, 
	index_id VARCHAR NOT NULL, 
	event_id VARCHAR NOT NULL, 
	callback_url TEXT, 
	status VARCHAR NOT NULL, 
	options JSON NOT NULL, 
	state JSON NOT NULL, 
	judged_scene INTEGER NOT NULL, 
	fired INTEGER NOT NULL, 
	created_at FLOAT NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(index_id) REFERENCES scene_indexes (id) ON DELETE CASCADE, 
	FOREIGN KEY(event_id) REFERENCES events (id) ON DELETE CASCADE
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
	seq INTEGER, 
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
CREATE VIRTUAL TABLE search_words USING fts5(
    text, content='', columnsize=0, prefix='2 3', tokenize='porter unicode61 remove_diacritics 2'
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
INSERT INTO "streams" ("id", "name", "url", "collection_id", "created_at", "media_types", "sample_rate", "store", "enable_transcript", "desired", "health", "media", "retention", "recorded_bytes") VALUES ('rts-007c268170870c0e','Desk','rtsp://127.0.0.1:33045/live','default',1.79575479855995702744e+09,'["video"]',30.0,1,0,'stopped','{"state": "stopped", "reason": "stopped by request", "since": 1795754807.3051171, "attempts": 0, "lag_s": null, "skipped": {}}','{"video_codec": "h264", "width": 640, "height": 360, "fps": 30.0}','{}',264932);
INSERT INTO "videos" ("id", "collection_id", "stream_id", "name", "path", "start", "duration", "detail", "created_at") VALUES ('m-15da18d6568ddde3','default','rts-007c268170870c0e','Visit','m-15da18d6568ddde3',1.79575479847996377948e+09,8.76666665077209472656e+00,'{"key": "rec-44a81bf105764a46", "size": 267614, "covered": [[1795754798.4799638, 1795754807.2466304]]}',1.79575480747059106827e+09);
INSERT INTO "recordings" ("id", "stream_id", "started_at", "ended_at", "closed", "init", "codecs", "log_position") VALUES ('rec-44a81bf105764a46','rts-007c268170870c0e',1.79575479847996377948e+09,1.79575480724663043025e+09,1,X'0000001C6674797069736F350000020069736F3569736F366D703431000002D86D6F6F760000006C6D766864000000000000000000000000000003E8000000000001000001000000000000000000000000010000000000000000000000000000000100000000000000000000000000004000000000000000000000000000000000000000000000000000000000000002000001DA7472616B0000005C746B6864000000030000000000000000000000010000000000000000000000000000000000000000000000000001000000000000000000000000000000010000000000000000000000000000400000000280000001680000000001766D646961000000206D64686400000000000000000000000000015F900000000055C400000000002D68646C72000000000000000076696465000000000000000000000000566964656F48616E646C657200000001216D696E6600000014766D68640000000100000000000000000000002464696E660000001C6472656600000000000000010000000C75726C2000000001000000E17374626C00000095737473640000000000000001000000856176633100000000000000010000000000000000000000000000000002800168004800000048000000000000000100000000000000000000000000000000000000000000000000000000000000000018FFFF0000002F617663430142C01EFFE100186742C01EDA0280BFE584000003000400000300F03C58BA8001000468CE3C800000001073747473000000000000000000000010737473630000000000000000000000147374737A000000000000000000000000000000107374636F0000000000000000000000286D766578000000207472657800000000000000010000000100000000000000000000000000000062756474610000005A6D657461000000000000002168646C7200000000000000006D6469726170706C0000000000000000000000002D696C737400000025A9746F6F0000001D6461746100000001000000004C61766636322E31322E313032','avc1.42C01E',NULL);
INSERT INTO "scene_indexes" ("id", "stream_id", "name", "extraction_type", "extraction_config", "prompt", "model_name", "model_config", "status", "status_reason", "counters", "created_at") VALUES ('scene-idx-358a7df4e37d','rts-007c268170870c0e','Screen','time','{"time": 2, "frame_count": 2}','What is on screen?',NULL,'{}','stopped','stopped by request','{"done": 4}',1.79575479943780398368e+09);
INSERT INTO "transcript_jobs" ("stream_id", "engine", "status", "language", "created_at", "updated_at") VALUES ('rts-007c268170870c0e','local','stopped','en',1.79575480727114915845e+09,1.79575480727114915845e+09);
INSERT INTO "transcript_segments" ("id", "stream_id", "engine", "start", "end", "text", "kind", "detail", "created_at") VALUES (1,'rts-007c268170870c0e','local',1.79575479927114915841e+09,1.79575480127114915848e+09,'Good morning, the shipment leaves on Friday.','speech','{"words": [], "confidence": 0.9}',1.79575480727114915845e+09);
INSERT INTO "transcript_segments" ("id", "stream_id", "engine", "start", "end", "text", "kind", "detail", "created_at") VALUES (2,'rts-007c268170870c0e','local',1.79575480227114915848e+09,1.79575480427114915851e+09,'Please call the café about the broken window.','speech','{"words": [], "confidence": 0.9}',1.79575480727114915845e+09);
INSERT INTO "pins" ("id", "stream_id", "start", "end", "alert_id") VALUES (1,'rts-007c268170870c0e',1795754795.0,1795754802.0,'alert-b73966ab4acb');
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
INSERT INTO "scenes" ("id", "index_id", "stream_id", "start", "end", "text", "status", "model", "data", "detail", "created_at") VALUES (1,'scene-idx-358a7df4e37d','rts-007c268170870c0e',1795754798.0,1795754800.0,'Text on screen: “Slack”; “00:01.0”; “Slack”; “# billing”; “Ana: can you pay invoice 4711 today?”; “Ben: yes, right after the stand-up”. First look. Main colours: dark grey.','ok','local','null','{"frame_times": [1795754799.48], "latency_s": 1.19, "lines": ["Slack", "00:01.0", "Slack", "# billing", "Ana: can you pay invoice 4711 today?", "Ben: yes, right after the stand-up"], "changes": {"first": true, "changed": true, "share": 1.0, "cut": false, "cuts": 0, "motion": 0.0, "frozen": false, "still_s": 0.0, "black": false, "blank": false, "colours": ["dark grey"], "text_read": true, "appeared": [], "disappeared": []}}',1.79575480322599792485e+09);
INSERT INTO "scenes" ("id", "index_id", "stream_id", "start", "end", "text", "status", "model", "data", "detail", "created_at") VALUES (2,'scene-idx-358a7df4e37d','rts-007c268170870c0e',1795754800.0,1795754802.0,'Text on screen: “Slack”; “00:03.0”; “Slack”; “# billing”; “Ana: can you pay invoice 4711 today?”; “Ben: yes, right after the stand-up”. New since the last look: “00:03.0”. Gone since the last look: “00:01.0”. 2 % of the picture changed. Main colours: dark grey.','ok','local','null','{"frame_times": [1795754800.48, 1795754801.48], "latency_s": 0.184, "lines": ["Slack", "00:03.0", "Slack", "# billing", "Ana: can you pay invoice 4711 today?", "Ben: yes, right after the stand-up"], "changes": {"first": false, "changed": true, "share": 0.018, "cut": false, "cuts": 0, "motion": 0.021, "frozen": false, "still_s": 0.0, "black": false, "blank": false, "colours": ["dark grey"], "text_read": true, "appeared": ["00:03.0"], "disappeared": ["00:01.0"]}}',1.79575480341625666621e+09);
INSERT INTO "scenes" ("id", "index_id", "stream_id", "start", "end", "text", "status", "model", "data", "detail", "created_at") VALUES (3,'scene-idx-358a7df4e37d','rts-007c268170870c0e',1795754802.0,1795754804.0,'Text on screen: “Terminal”; “00:05.0”; “Terminal”; “$ git pull --rebase”; “$ pytest -q”; “312 passed in 8.41s”; “$ git push origin main”. New since the last look: “Terminal”; “00:05.0”; “Terminal”; “$ git pull --rebase”; “$ pytest -q”; “312 passed in 8.41s”; “$ git push origin main”. Gone since the last look: “Slack”; “00:03.0”; “Slack”; “# billing”; “Ana: can you pay invoice 4711 today?”; “Ben: yes, right after the stand-up”. The picture was cut to another. Main colours: black, dark grey.','ok','local','null','{"frame_times": [1795754802.48, 1795754803.48], "latency_s": 0.445, "lines": ["Terminal", "00:05.0", "Terminal", "$ git pull --rebase", "$ pytest -q", "312 passed in 8.41s", "$ git push origin main"], "changes": {"first": false, "changed": true, "share": 0.962, "cut": true, "cuts": 1, "motion": 0.02, "frozen": false, "still_s": 0.0, "black": false, "blank": false, "colours": ["black", "dark grey"], "text_read": true, "appeared": ["Terminal", "00:05.0", "Terminal", "$ git pull --rebase", "$ pytest -q", "312 passed in 8.41s", "$ git push origin main"], "disappeared": ["Slack", "00:03.0", "Slack", "# billing", "Ana: can you pay invoice 4711 today?", "Ben: yes, right after the stand-up"]}}',1795754805.13525);
INSERT INTO "scenes" ("id", "index_id", "stream_id", "start", "end", "text", "status", "model", "data", "detail", "created_at") VALUES (4,'scene-idx-358a7df4e37d','rts-007c268170870c0e',1795754804.0,1795754806.0,'Text on screen: “Terminal”; “00:07.0”; “Terminal”; “$ git pull --rebase”; “$ pytest -q”; “312 passed in 8.41s”; “$ git push origin main”. New since the last look: “00:07.0”. Gone since the last look: “00:05.0”. 2 % of the picture changed. Main colours: black, dark grey.','ok','local','null','{"frame_times": [1795754804.48, 1795754805.48], "latency_s": 0.082, "lines": ["Terminal", "00:07.0", "Terminal", "$ git pull --rebase", "$ pytest -q", "312 passed in 8.41s", "$ git push origin main"], "changes": {"first": false, "changed": true, "share": 0.018, "cut": false, "cuts": 0, "motion": 0.022, "frozen": false, "still_s": 0.0, "black": false, "blank": false, "colours": ["black", "dark grey"], "text_read": true, "appeared": ["00:07.0"], "disappeared": ["00:05.0"]}}',1.79575480660653185845e+09);
INSERT INTO "alerts" ("id", "index_id", "event_id", "callback_url", "status", "options", "state", "judged_scene", "fired", "created_at") VALUES ('alert-b73966ab4acb','scene-idx-358a7df4e37d','event-64ae978ca9f1af37','http://127.0.0.1:9/hook','enabled','{}','{"hits": 0, "reported": false, "fired_at": 1795754800.0, "present": false}',4,1,1.79575479947496867176e+09);
INSERT INTO "decisions" ("id", "alert_id", "scene_id", "at", "outcome", "reason", "confidence", "explanation", "seq") VALUES (1,'alert-b73966ab4acb',1,1.7957612298253109455e+09,'fired','',0.99,'"Invoice 4711" was found in the line: Ana: can you pay invoice 4711 today?.',6);
INSERT INTO "decisions" ("id", "alert_id", "scene_id", "at", "outcome", "reason", "confidence", "explanation", "seq") VALUES (2,'alert-b73966ab4acb',2,1.7957612298253109455e+09,'suppressed','this episode has already been reported',0.99,'"Invoice 4711" was found in the line: Ana: can you pay invoice 4711 today?.',NULL);
INSERT INTO "decisions" ("id", "alert_id", "scene_id", "at", "outcome", "reason", "confidence", "explanation", "seq") VALUES (3,'alert-b73966ab4acb',3,1.7957612298253109455e+09,'no_match','',0.9,'"Invoice 4711" was not found.',NULL);
INSERT INTO "decisions" ("id", "alert_id", "scene_id", "at", "outcome", "reason", "confidence", "explanation", "seq") VALUES (4,'alert-b73966ab4acb',4,1.7957612298253109455e+09,'no_match','',0.9,'"Invoice 4711" was not found.',NULL);
INSERT INTO "deliveries" ("id", "alert_id", "seq", "url", "payload", "state", "attempts", "next_at", "created_at") VALUES ('msg-046f2ff402dbddcc7344','alert-b73966ab4acb',6,'http://127.0.0.1:9/hook','{"event_id": "event-64ae978ca9f1af37", "label": "invoice", "confidence": 0.99, "explanation": "\"Invoice 4711\" was found in the line: Ana: can you pay invoice 4711 today?.", "timestamp": "2026-11-27T04:46:43.249930+00:00", "start_time": "2026-11-27T04:46:38+00:00", "end_time": "2026-11-27T04:46:40+00:00", "rtstream_index_id": "scene-idx-358a7df4e37d", "alert_id": "alert-b73966ab4acb", "stream_url": "http://127.0.0.1:8740/manifests/rts-007c268170870c0e/1795754795000000-1795754802000000.m3u8?token=.eJyLVioqKdY1MDBPNjKzMDQ3sDA3SDZIVdIxNLc0NTc1AZIGYAATsDAwQgiYGZtamhkY6yhl5pXlZyYDtSkp6UTHxgIAUu4T_Q.SJC1Ei8Sloewx-7APQJdl0pI--M", "player_url": "http://127.0.0.1:8740/watch?v=.eJyLVioqKdY1MDBPNjKzMDQ3sDA3SDZIVdIxNLc0NTc1AZIGYAATsDAwQgiYGZtamhkY6yhl5pXlZyYDtSkp6UTHxgIAUu4T_Q.SJC1Ei8Sloewx-7APQJdl0pI--M", "rtstream_id": "rts-007c268170870c0e", "rtstream_name": "Desk", "seq": 6}','pending',3,1.79584762982606720919e+09,1.79575480324993014334e+09);
INSERT INTO "delivery_attempts" ("id", "delivery_id", "at", "status", "latency_s", "error") VALUES (1,'msg-046f2ff402dbddcc7344',1.79575480339536356928e+09,NULL,0.1263,'the receiver could not be reached (ConnectionRefusedError)');
INSERT INTO "delivery_attempts" ("id", "delivery_id", "at", "status", "latency_s", "error") VALUES (2,'msg-046f2ff402dbddcc7344',1.79575480540848946573e+09,NULL,0.0017,'the receiver could not be reached (ConnectionRefusedError)');
INSERT INTO "delivery_attempts" ("id", "delivery_id", "at", "status", "latency_s", "error") VALUES (3,'msg-046f2ff402dbddcc7344',1.79575481092932510377e+09,NULL,0.0048,'the receiver could not be reached (ConnectionRefusedError)');
DELETE FROM "search_words_data";
INSERT INTO "search_words_data" ("id", "block") VALUES (1,X'0B8318');
INSERT INTO "search_words_data" ("id", "block") VALUES (10,X'000000000109090009010101020101030101040101050101060101070101080101090101');
INSERT INTO "search_words_data" ("id", "block") VALUES (137438953473,X'0000010F0530343731310104040D0103616E6101020A010363616E01020B0105666F756E640102060102696E0102070304766F6963010602030D01046C696E65010209010370616901020D010374686501020802046F646169010210010277610102050103796F7501020C00033134370104040D0102616E01020A0102636101020B0102666F0102060102696E01080203060901026C690102090102706101020D0102746801020802016F010210010277610102050102796F01020C0004323437310104040D0103616E6101020A010363616E01020B0103666F750102060103696E76010602030D01036C696E010209010370616901020D010374686501020802026F640102100103796F7501020C040A08080A070B090808090708090707070A0707070607070A0808080A08080807');
INSERT INTO "search_words_data" ("id", "block") VALUES (274877906945,X'000003ED0230300202080106081A0A0201300202060106061A0A0201310202070102270201330304071A0101320302290104343731310202100102100105616674657202021501021502026E6102020B01020B010362656E0202120102120203696C6C02020A01020A010363616E02020C01020C020468616E6703022D02056F6C6F757202021C01022F01046461726B02021D010230010566697273740202190104676F6E65030221020372656902021E0102310106696E766F696302020F01020F01046C61737403041C0A02036F6F6B02021A01041D0A01046D61696E02021B01022E01036E657703021901026F6603022A02016E020203010203010370616902020E01020E0205696374757203022C01057269676874020214010214010673637265656E0202040102040203696E6303041A0A02046C61636B0204050601040506020474616E6402021701021701047465787402020201020202026865020216010816070A0A02046F646169020211010211010275700202180102180102796502021301021302026F7502020D01020D00033130300202060106061A0A0201310202070102270201330304071A010234370202100102100102616602021501021502016E02020B01020B0102626502021201021202016902020A01020A0102636102020C01020C02016803022D02016F02021C01022F0102646102021D010230010266690202190102676F03022102017202021E0102310102696E02020F01020F01026C6103041C0A02016F02021A01041D0A01026D6102021B01022E01026E6503021901026F6603022A02016E0202030102030102706102020E01020E02016903022C010272690202140102140102736302020401020402016903041A0A02016C020405060104050602017402021701021701027465020202010202020168020216010816070A0A02016F020211010211010275700202180102180102796502021301021302016F02020D01020D000432343731020210010210010361667402021501021502026E6102020B01020B010362656E0202120102120202696C02020A01020A010363616E02020C01020C0202686103022D02026F6C02021C01022F010364617202021D01023001036669720202190103676F6E0302210202726502021E0102310103696E7602020F01020F01036C617303041C0A02026F6F02021A01041D0A01036D616902021B01022E01036E6577030219010370616902020E01020E0202696303022C010372696702021401021401037363720202040102040202696E03041A0A02026C61020405060104050602027461020217010217010374657802020201020202026865020216010816070A0A02026F640202110102110103796F7502020D01020D040B0B0907060C0D0A0B0B0B090D0C0A090B0E0A0C0C0807090B0A0D0E090E0C0C0D0C0A0A0A0D09070A0A090A090A06090A0707090A080A0A0707090A060A0A070B090A0C090A0A090C0B0A0B0A0B070A0B08080A0B090B0B080B070B0B080C0A0B0D0A');
INSERT INTO "search_words_data" ("id", "block") VALUES (412316860417,X'0000041A0230300406081A1A0201300406061A1A0201330402370201350404071A010333313204040F1A010234310404131A02033731310402400101380404121A0105616674657204024502026E6104023B03036F746804024E010362656E0402420203696C6C04023A02046C61636B040251010363616E04023C02056F6C6F75720402500202757404024C01046461726B040252010367697404080A0C100C02036F6E6504023002037265690402530102696E0404111A0304766F696304023F01046C61737404041B1A02036F6F6B04041C1A01046D61696E0406171A2201036E657704021801026F6E0402030205726967696E0404161A010370616904023E030273730404101A0205696374757204024A0203756C6C04040B1A030273680404151A0205797465737404040D1A01017104040E1A0105726562617304040C1A020469676874040244010673637265656E0402040203696E630404191A02046C61636B04043506020474616E6404024701067465726D696E040805061606030278740402020202686504081A1A160502016F04024D0303646169040241010275700402480102776104024B0102796504024302026F7504023D00033130300406061A1A0201330402370201350404071A0102333104040F1A010234310404131A0201370402400102616604024502016E04043B150102626504024202016904023A02016C0402510102636104023C02016F04025002017504024C010264610402520102676904080A0C100C02016F0402300201720402530102696E0406111A1801026C6104041B1A02016F04041C1A01026D610406171A2201026E6504021801026F6E0402030201720404161A010270610406101A1802016904024A02017504080B0C100C02017904040D1A0102726504040C1A020169040244010273630402040201690404191A02016C0404350602017404024701027465040A020506160602016804081A1A160502016F0404410E010275700402480102776104024B0102796504024302016F04023D00043233313204040F1A0103343731040240010361667404024502026E6104023B03016F04024E010362656E0402420202696C04023A02026C61040251010363616E04023C02026F6C0402500202757404024C0103646172040252010367697404080A0C100C02026F6E040230020272650402530103696E7604023F01036C617304041B1A02026F6F04041C1A01036D61690406171A2201036E657704021801036F72690404161A010370616904023E0301730404101A0202696304024A0202756C04040B1A0301730404151A0202797404040D1A010372656204040C1A0202696704024401037363720402040202696E0404191A02026C61040435060202746104024701037465720408050616060301780402020202686504081A1A160502026F640402410103796F7504023D0408080607090808070A0708080809080A07090B080808090A090B08070B08080A09080B070B090B090A090E070A0608070707070A06070808060707070606070606070A060609080709070707090609070806070707060B0907070707060A08080706080707080707080B07070809080A08090807070807080907080808070B060A07');
INSERT INTO "search_words_data" ("id", "block") VALUES (549755813889,X'000002B3023030050608190A020130050606190A02013505022602013705040719010132050228010333313205020F010234310502130101380502120105626C61636B05022F01056368616E6705022C02056F6C6F757205022E01046461726B050230010367697405040A0C02036F6E6505022002037265690502310102696E05021101046C61737405041B0A02036F6F6B05041C0A01046D61696E0504171801036E657705021801026F6605022902016E0502030205726967696E0502160104706173730502100205696374757205022B0203756C6C05020B030273680502150205797465737405020D01017105020E0105726562617305020C010673637265656E0502040203696E630504190A01067465726D696E05040506030278740502020202686505061A0A0A0003313030050606190A020135050226020137050407190102333105020F010234310502130102626C05022F0102636805022C02016F05022E010264610502300102676905040A0C02016F0502200201720502310102696E05021101026C6105041B0A02016F05041C0A01026D610504171801026E6505021801026F6605022902016E0502030201720502160102706105021002016905022B02017505040B0C02017905020D0102726505020C010273630502040201690504190A01027465050602050602016805061A0A0A00043233313205020F0103626C6105022F010363686105022C02026F6C05022E0103646172050230010367697405040A0C02026F6E0502200202726505023101036C617305041B0A02026F6F05041C0A01036D61690504171801036E657705021801036F726905021601037061730502100202696305022B0202756C05020B0301730502150202797405020D010372656205020C01037363720502040202696E0504190A0103746572050405060301780502020202686505061A0A0A0408080607060807060A0A0A09090808070A090A0807060A090A08070A060A0B090C07090A060707070707060708060607080708070706060706070607070709080908080708090707090809080808070706070808080906');
INSERT INTO "search_words_data" ("id", "block") VALUES (687194767361,X'00000141063061626F7574070206010662726F6B656E07020801046361666507020503026C6C07020301066672696461690602080104676F6F6406020201046C65617606020601046D6F726E06020301026F6E0602070105706C6561730702020108736869706D656E74060205010374686506020401040405010677696E646F770702090003316162070206010262720702080102636107040304010266720602080102676F06020201026C6506020601026D6F06020301026F6E0602070102706C0702020102736806020501027468060204010404050102776907020900043261626F070206010362726F070208010363616607020503016C07020301036672690602080103676F6F06020201036C656106020601036D6F720602030103706C650702020103736869060205010374686506020401040405010377696E070209040A0B09070B090909070A0D0C0B080708070707070707070B07090808060808080808080C');
INSERT INTO "search_words_data" ("id", "block") VALUES (824633720833,X'0000007A0730626568696E640802050104646F6F7208020701026973080204010670617263656C08020301037468650804020600033162650802050102646F080207010269730802040102706108020301027468080402060004326265680802050103646F6F0802070103706172080203010374686508040206040B09070B090807070708090808');
INSERT INTO "search_words_data" ("id", "block") VALUES (962072674305,X'000002490230300902090201300902070201330902180101310902120201300902080201340902190104323033310902170202383409021301043437313109040607010235300902140106616D6F756E7409020F0106636F6C6F757209021D02057573746F6D09020C010464617465090216020275650904100701036575720902110105666972737409021A0104676D626809020E02037265690902200106696E766F69630904050701056C6967687409021F02036F6F6B09021B01046D61696E09021C01096E6F72746877696E6409020D01026F6E090203010673637265656E0902040104746578740902020105776869746509021E000331303009020702013309021801023130090208020134090219010232300902170201380902130102343709040607010235300902140102616D09020F0102636F09021D02017509020C0102646109021602017509041007010265750902110102666909021A0102676D09020E0201720902200102696E0904050701026C6909021F02016F09021B01026D6109021C01026E6F09020D01026F6E09020301027363090204010274650902020102776809021E000432323033090217020238340902130103343731090406070103616D6F09020F0103636F6C09021D0202757309020C010364617409021602027565090410070103657572090211010366697209021A0103676D6209020E020272650902200103696E760904050701036C696709021F02026F6F09021B01036D616909021C01036E6F7209020D01037363720902040103746578090202010377686909021E0406060606060609070A070B0B0A0908080A09080C0A08090E070B090A080607060706080707070607070707070608070607070707070709070908080708080808080709080708080808');
INSERT INTO "search_words_data" ("id", "block") VALUES (1099511627777,X'000002FB0230300A06091A0A0201300A06071A0A0201330A02180101310A02120201300A02280201310A04081A0201340A02190101320A022A02033033310A0217020238340A02130104343731310A040607010235300A02140106616D6F756E740A020F01056368616E670A022E02056F6C6F75720A023002057573746F6D0A020C0104646174650A0216020275650A04100701036575720A02110104676D62680A020E02036F6E650A022202037265690A02330106696E766F69630A04050701046C6173740A041D0A0204696768740A023202036F6F6B0A041E0A01046D61696E0A022F01036E65770A021A02086F72746877696E640A020D01026F660A022B02016E0A020301067069637475720A022D010673637265656E0A02040203696E630A041B0A0104746578740A0202020268650A061C0A0A010577686974650A023100033130300A06071A0A0201330A0218010231300A02280201310A04081A0201340A0219010232300A02170201380A0213010234370A040607010235300A02140102616D0A020F010263680A022E02016F0A02300201750A020C010264610A02160201750A041007010265750A02110102676D0A020E02016F0A02220201720A02330102696E0A04050701026C610A041D0A0201690A023202016F0A041E0A01026D610A022F01026E650A021A02016F0A020D01026F660A022B02016E0A0203010270690A022D010273630A02040201690A041B0A010274650A02020201680A061C0A0A010277680A02310004323230330A0217020238340A021301033437310A0406070103616D6F0A020F01036368610A022E02026F6C0A0230020275730A020C01036461740A0216020275650A04100701036575720A02110103676D620A020E02026F6E0A0222020272650A02330103696E760A04050701036C61730A041D0A020269670A023202026F6F0A041E0A01036D61690A022F01036E65770A021A02026F720A020D01037069630A022D01037363720A02040202696E0A041B0A01037465780A0202020268650A061C0A0A01037768690A023104080806060607060608070A070B0A0A0A0908080908080C0A090909080D07060B0B0909090A0A06070706070608070707060607070707060608080607070706070607070707080709070908080707080808080707090907080808070808080809');
INSERT INTO "search_words_data" ("id", "block") VALUES (1236950581249,X'000004200230300B06081B1C0201300B0A06031A031B0201330B024A0101310B02440201310B023A0201340B024B0104323033310B0249020238340B02450104343731310B08101B1107010235300B0246010561667465720B04151B02056D6F756E740B024102026E610B040B1B03036F74680B0251010362656E0B04121B0203696C6C0B040A1B010363616E0B040C1B02056F6C6F75720B025302057573746F6D0B023E0301740B024F01046461726B0B0254030274650B0248020275650B04420701036575720B02430104676D62680B024002036F6E650B023202037265690B02550106696E766F69630B080F1B110701046C6173740B041C1B02036F6F6B0B041D1B01046D61696E0B025201036E65770B021902086F72746877696E640B023F01026F6E0B020301037061690B040E1B020569637475720B024D010572696768740B04141B010673637265656E0B02040203696E630B041A1B02046C61636B0B0805061706020474616E640B04171B0104746578740B0202020268650B0A160716071A02016F0B025003036461690B04111B010275700B04181B010277610B024E010279650B04131B02026F750B040D1B00033130300B0A06031A031B0201330B024A010231310B023A0201340B024B010232300B02490201380B0245010234370B08101B1107010235300B0246010261660B04151B02016D0B024102016E0B060B1B2F010262650B04121B0201690B040A1B010263610B040C1B02016F0B02530201750B043E13010264610B04480E0201750B044207010265750B02430102676D0B024002016F0B02320201720B02550102696E0B080F1B110701026C610B041C1B02016F0B041D1B01026D610B025201026E650B021902016F0B023F01026F6E0B0203010270610B040E1B0201690B024D010272690B04141B010273630B02040201690B041A1B02016C0B08050617060201740B04171B010274650B02020201680B0A160716071A02016F0B06111B28010275700B04181B010277610B024E010279650B04131B02016F0B040D1B0004323230330B0249020238340B024501033437310B08101B110701036166740B04151B02026D6F0B024102026E610B040B1B03016F0B0251010362656E0B04121B0202696C0B040A1B010363616E0B040C1B02026F6C0B0253020275730B023E0301740B024F01036461720B02540301740B0248020275650B04420701036575720B02430103676D620B024002026F6E0B0232020272650B02550103696E760B080F1B110701036C61730B041C1B02026F6F0B041D1B01036D61690B025201036E65770B021902026F720B023F01037061690B040E1B020269630B024D01037269670B04141B01037363720B02040202696E0B041A1B02026C610B0805061706020274610B04171B01037465780B0202020268650B0A160716071A02026F640B04111B0103796F750B040D1B04080A0606060609070C070B0A08080909090A0A06090708080908080E0A0909080D07090A0B0B090C0A090B0609080708080C06070607060A0708060808070806070807070706060A08070707060708060807070907070A080807080709070B09070806090809070706080608080807070B090808080709070908080A08080B08');
DELETE FROM "search_words_idx";
INSERT INTO "search_words_idx" ("segid", "term", "pgno") VALUES (1,X'',2);
INSERT INTO "search_words_idx" ("segid", "term", "pgno") VALUES (2,X'',2);
INSERT INTO "search_words_idx" ("segid", "term", "pgno") VALUES (3,X'',2);
INSERT INTO "search_words_idx" ("segid", "term", "pgno") VALUES (4,X'',2);
INSERT INTO "search_words_idx" ("segid", "term", "pgno") VALUES (5,X'',2);
INSERT INTO "search_words_idx" ("segid", "term", "pgno") VALUES (6,X'',2);
INSERT INTO "search_words_idx" ("segid", "term", "pgno") VALUES (7,X'',2);
INSERT INTO "search_words_idx" ("segid", "term", "pgno") VALUES (8,X'',2);
INSERT INTO "search_words_idx" ("segid", "term", "pgno") VALUES (9,X'',2);
DELETE FROM "search_words_config";
INSERT INTO "search_words_config" ("k", "v") VALUES ('version',4);
INSERT INTO "alembic_version" ("version_num") VALUES ('0010');
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
CREATE INDEX pins_by_stream ON pins (stream_id, start);
CREATE INDEX video_segments_by_video ON video_segments (video_id, start);
CREATE UNIQUE INDEX search_places_of_videos ON search_places (video_id);
CREATE UNIQUE INDEX search_places_of_streams ON search_places (stream_id, kind, index_id);
CREATE INDEX scenes_by_index ON scenes (index_id, start);
CREATE INDEX scenes_by_stream ON scenes (stream_id, start);
CREATE INDEX ix_alerts_index_id ON alerts (index_id);
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
CREATE TRIGGER search_removed_transcript_segments AFTER DELETE ON transcript_segments BEGIN
    INSERT INTO search_removed(id, text)
        SELECT id, old.text FROM search_docs WHERE ref = old.id AND origin = 1;
    DELETE FROM search_docs WHERE ref = old.id AND origin = 1;
    UPDATE search_cursors SET reached = min(reached, coalesce((SELECT max(id) FROM transcript_segments), 0))
        WHERE origin = 1;
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
