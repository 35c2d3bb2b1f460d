PRAGMA user_version=1;
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
CREATE TABLE ws_bindings (
	connection_id VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	target_id VARCHAR NOT NULL, 
	created_at FLOAT NOT NULL, 
	PRIMARY KEY (connection_id, kind, target_id)
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
CREATE TABLE recordings (
	id VARCHAR NOT NULL, 
	stream_id VARCHAR NOT NULL, 
	started_at FLOAT NOT NULL, 
	ended_at FLOAT, 
	init BLOB NOT NULL, 
	codecs VARCHAR NOT NULL, 
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
INSERT INTO "streams" ("id", "name", "url", "collection_id", "created_at", "media_types", "sample_rate", "store", "enable_transcript", "desired", "health", "media") VALUES ('rts-007c268170870c0e','Desk','rtsp://127.0.0.1:33045/live','default',1.79575479855995702744e+09,'["video"]',30.0,1,0,'stopped','{"state": "stopped", "reason": "stopped by request", "since": 1795754807.3051171, "attempts": 0, "lag_s": null, "skipped": {}}','{"video_codec": "h264", "width": 640, "height": 360, "fps": 30.0}');
INSERT INTO "videos" ("id", "collection_id", "stream_id", "name", "path", "start", "duration", "detail", "created_at") VALUES ('m-15da18d6568ddde3','default','rts-007c268170870c0e','Visit','m-15da18d6568ddde3',1.79575479847996377948e+09,8.76666665077209472656e+00,'{"key": "rec-44a81bf105764a46", "size": 267614, "covered": [[1795754798.4799638, 1795754807.2466304]]}',1.79575480747059106827e+09);
INSERT INTO "recordings" ("id", "stream_id", "started_at", "ended_at", "init", "codecs") VALUES ('rec-44a81bf105764a46','rts-007c268170870c0e',1.79575479847996377948e+09,NULL,X'0000001C6674797069736F350000020069736F3569736F366D703431000002D86D6F6F760000006C6D766864000000000000000000000000000003E8000000000001000001000000000000000000000000010000000000000000000000000000000100000000000000000000000000004000000000000000000000000000000000000000000000000000000000000002000001DA7472616B0000005C746B6864000000030000000000000000000000010000000000000000000000000000000000000000000000000001000000000000000000000000000000010000000000000000000000000000400000000280000001680000000001766D646961000000206D64686400000000000000000000000000015F900000000055C400000000002D68646C72000000000000000076696465000000000000000000000000566964656F48616E646C657200000001216D696E6600000014766D68640000000100000000000000000000002464696E660000001C6472656600000000000000010000000C75726C2000000001000000E17374626C00000095737473640000000000000001000000856176633100000000000000010000000000000000000000000000000002800168004800000048000000000000000100000000000000000000000000000000000000000000000000000000000000000018FFFF0000002F617663430142C01EFFE100186742C01EDA0280BFE584000003000400000300F03C58BA8001000468CE3C800000001073747473000000000000000000000010737473630000000000000000000000147374737A000000000000000000000000000000107374636F0000000000000000000000286D766578000000207472657800000000000000010000000100000000000000000000000000000062756474610000005A6D657461000000000000002168646C7200000000000000006D6469726170706C0000000000000000000000002D696C737400000025A9746F6F0000001D6461746100000001000000004C61766636322E31322E313032','avc1.42C01E');
INSERT INTO "scene_indexes" ("id", "stream_id", "name", "extraction_type", "extraction_config", "prompt", "model_name", "model_config", "status", "status_reason", "counters", "created_at") VALUES ('scene-idx-358a7df4e37d','rts-007c268170870c0e','Screen','time','{"time": 2, "frame_count": 2}','What is on screen?',NULL,'{}','stopped','stopped by request','{"done": 4}',1.79575479943780398368e+09);
INSERT INTO "transcript_jobs" ("stream_id", "engine", "status", "language", "created_at", "updated_at") VALUES ('rts-007c268170870c0e','local','stopped','en',1.79575480727114915845e+09,1.79575480727114915845e+09);
INSERT INTO "transcript_segments" ("id", "stream_id", "engine", "start", "end", "text", "kind", "detail", "created_at") VALUES (1,'rts-007c268170870c0e','local',1.79575479927114915841e+09,1.79575480127114915848e+09,'Good morning, the shipment leaves on Friday.','speech','{"words": [], "confidence": 0.9}',1.79575480727114915845e+09);
INSERT INTO "transcript_segments" ("id", "stream_id", "engine", "start", "end", "text", "kind", "detail", "created_at") VALUES (2,'rts-007c268170870c0e','local',1.79575480227114915848e+09,1.79575480427114915851e+09,'Please call the café about the broken window.','speech','{"words": [], "confidence": 0.9}',1.79575480727114915845e+09);
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
INSERT INTO "alerts" ("id", "index_id", "event_id", "callback_url", "status", "options", "state", "fired", "created_at") VALUES ('alert-b73966ab4acb','scene-idx-358a7df4e37d','event-64ae978ca9f1af37','http://127.0.0.1:9/hook','enabled','{}','{"hits": 0, "reported": false, "fired_at": 1795754800.0, "present": false}',1,1.79575479947496867176e+09);
INSERT INTO "decisions" ("id", "alert_id", "scene_id", "at", "outcome", "reason", "confidence", "explanation", "seq") VALUES (1,'alert-b73966ab4acb',1,1.79575480324003958695e+09,'fired','',0.99,'"Invoice 4711" was found in the line: Ana: can you pay invoice 4711 today?.',6);
INSERT INTO "decisions" ("id", "alert_id", "scene_id", "at", "outcome", "reason", "confidence", "explanation", "seq") VALUES (2,'alert-b73966ab4acb',2,1.79575480343747830394e+09,'suppressed','this episode has already been reported',0.99,'"Invoice 4711" was found in the line: Ana: can you pay invoice 4711 today?.',NULL);
INSERT INTO "decisions" ("id", "alert_id", "scene_id", "at", "outcome", "reason", "confidence", "explanation", "seq") VALUES (3,'alert-b73966ab4acb',3,1.79575480514261364936e+09,'no_match','',0.9,'"Invoice 4711" was not found.',NULL);
INSERT INTO "decisions" ("id", "alert_id", "scene_id", "at", "outcome", "reason", "confidence", "explanation", "seq") VALUES (4,'alert-b73966ab4acb',4,1.79575480661414480206e+09,'no_match','',0.9,'"Invoice 4711" was not found.',NULL);
INSERT INTO "deliveries" ("id", "alert_id", "seq", "payload", "state", "attempts", "next_at", "created_at") VALUES ('msg-046f2ff402dbddcc7344','alert-b73966ab4acb',6,'{"event_id": "event-64ae978ca9f1af37", "label": "invoice", "confidence": 0.99, "explanation": "\"Invoice 4711\" was found in the line: Ana: can you pay invoice 4711 today?.", "timestamp": "2026-11-27T04:46:43.249930+00:00", "start_time": "2026-11-27T04:46:38+00:00", "end_time": "2026-11-27T04:46:40+00:00", "rtstream_index_id": "scene-idx-358a7df4e37d", "alert_id": "alert-b73966ab4acb", "stream_url": "http://127.0.0.1:8740/manifests/rts-007c268170870c0e/1795754795000000-1795754802000000.m3u8?token=.eJyLVioqKdY1MDBPNjKzMDQ3sDA3SDZIVdIxNLc0NTc1AZIGYAATsDAwQgiYGZtamhkY6yhl5pXlZyYDtSkp6UTHxgIAUu4T_Q.SJC1Ei8Sloewx-7APQJdl0pI--M", "player_url": "http://127.0.0.1:8740/watch?v=.eJyLVioqKdY1MDBPNjKzMDQ3sDA3SDZIVdIxNLc0NTc1AZIGYAATsDAwQgiYGZtamhkY6yhl5pXlZyYDtSkp6UTHxgIAUu4T_Q.SJC1Ei8Sloewx-7APQJdl0pI--M", "rtstream_id": "rts-007c268170870c0e", "rtstream_name": "Desk", "seq": 6}','pending',3,1.79575482839094519612e+09,1.79575480324993014334e+09);
INSERT INTO "delivery_attempts" ("id", "delivery_id", "at", "status", "latency_s", "error") VALUES (1,'msg-046f2ff402dbddcc7344',1.79575480339536356928e+09,NULL,0.1263,'the receiver could not be reached (ConnectionRefusedError)');
INSERT INTO "delivery_attempts" ("id", "delivery_id", "at", "status", "latency_s", "error") VALUES (2,'msg-046f2ff402dbddcc7344',1.79575480540848946573e+09,NULL,0.0017,'the receiver could not be reached (ConnectionRefusedError)');
INSERT INTO "delivery_attempts" ("id", "delivery_id", "at", "status", "latency_s", "error") VALUES (3,'msg-046f2ff402dbddcc7344',1.79575481092932510377e+09,NULL,0.0048,'the receiver could not be reached (ConnectionRefusedError)');
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" ("name", "seq") VALUES ('journal',21);
INSERT INTO "sqlite_sequence" ("name", "seq") VALUES ('search_places',9);
INSERT INTO "sqlite_sequence" ("name", "seq") VALUES ('search_docs',11);
INSERT INTO "sqlite_sequence" ("name", "seq") VALUES ('video_segments',1);
CREATE INDEX journal_by_stream ON journal (stream_id, channel, seq);
CREATE INDEX ix_videos_stream_id ON videos (stream_id);
CREATE INDEX ix_recordings_stream_id ON recordings (stream_id);
CREATE INDEX ix_scene_indexes_stream_id ON scene_indexes (stream_id);
CREATE INDEX transcripts_by_stream ON transcript_segments (stream_id, engine, start);
CREATE INDEX scenes_by_index ON scenes (index_id, start);
CREATE INDEX scenes_by_stream ON scenes (stream_id, start);
CREATE INDEX ix_alerts_index_id ON alerts (index_id);
CREATE INDEX decisions_by_alert ON decisions (alert_id, at);
CREATE INDEX deliveries_by_alert ON deliveries (alert_id, seq);
CREATE INDEX deliveries_due ON deliveries (state, next_at);
CREATE INDEX ix_delivery_attempts_delivery_id ON delivery_attempts (delivery_id);
