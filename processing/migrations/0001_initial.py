import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

from processing.postgres.migration_steps import WithoutLikeIndexes


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='AddedPartition',
            fields=[
                ('pk', models.CompositePrimaryKey('topic', 'partition', blank=True, editable=False, primary_key=True, serialize=False)),
                ('topic', models.TextField()),
                ('partition', models.IntegerField()),
                ('first_end', models.BigIntegerField(help_text='where it ended then; 0 for one that came with its topic')),
                ('seen_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('reached_at', models.DateTimeField(help_text='when it had been read to there, or was no more', null=True)),
            ],
        ),
        migrations.CreateModel(
            name='InboxEvent',
            fields=[
                ('id', models.TextField(db_collation='C', primary_key=True, serialize=False)),
                ('user_id', models.TextField(db_collation='C')),
                ('type', models.TextField()),
                ('family', models.TextField(blank=True)),
                ('seq', models.BigIntegerField(null=True)),
                ('status', models.TextField(choices=[('held', 'held: waits for an earlier seq of its user, or for its kind'), ('retrying', 'retrying: its handler failed and will run again'), ('processed', 'processed'), ('failed', 'failed: tries used up, or unreadable; a dead letter'), ('skipped', 'skipped: its seq was taken by another event, or passed over')])),
                ('attempts', models.IntegerField(help_text='handler runs that succeeded or raised')),
                ('attempt_limit', models.IntegerField(help_text='after this many attempts it is failed', null=True)),
                ('error', models.TextField(null=True)),
                ('payload', models.TextField(null=True)),
                ('occurred_at', models.DateTimeField(help_text="the event's own timestamp", null=True)),
                ('received_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('final_at', models.DateTimeField(null=True)),
                ('next_attempt_at', models.DateTimeField(null=True)),
                ('replay', models.BigIntegerField(help_text="replayed together: a user's events keep their order", null=True)),
                ('replay_order', models.IntegerField(null=True)),
                ('version', models.IntegerField(db_default=1, help_text='raised by each change of status; guards the hot state')),
                ('topic', models.TextField(null=True)),
                ('partition', models.IntegerField(null=True)),
                ('offset', models.BigIntegerField(help_text="in its partition; of an imported event, the line's number", null=True)),
                ('import_run', models.IntegerField(help_text='the run that brought it, if it is not from Kafka', null=True)),
                ('waits_for', models.TextField(help_text='the kind that is set aside, for which it waits', null=True)),
                ('arrival', models.BigIntegerField(help_text='its place among those that wait for a kind', null=True)),
                ('key', models.BinaryField(null=True)),
                ('raw', models.BinaryField(null=True)),
            ],
            options={
                'verbose_name': 'event',
            },
        ),
        migrations.CreateModel(
            name='HotStateOutbox',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('event_ids', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), size=None)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.CreateModel(
            name='ImportRun',
            fields=[
                ('id', models.AutoField(primary_key=True, serialize=False)),
                ('source', models.TextField(help_text='names the file in the ids of lines without one')),
                ('started_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('heartbeat_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), help_text='renewed every few seconds while it goes on')),
                ('ended_at', models.DateTimeField(null=True)),
                ('watermarks', models.JSONField(help_text='where the log ended when the run was over; its gaps wait for what stood before', null=True)),
                ('watermarks_at', models.DateTimeField(null=True)),
                ('new_lines', models.BigIntegerField(db_default=0)),
                ('known_lines', models.BigIntegerField(db_default=0, help_text='that the inbox had already')),
            ],
        ),
        migrations.CreateModel(
            name='Kind',
            fields=[
                ('name', models.TextField(db_collation='C', primary_key=True, serialize=False)),
                ('state', models.TextField(choices=[('stopped', 'stopped'), ('paused', 'paused'), ('draining', 'draining')])),
                ('since', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), help_text='in this state')),
                ('reason', models.TextField(help_text='why it was stopped or paused')),
                ('actor', models.TextField(help_text='who did it')),
                ('error_class', models.TextField(blank=True, db_default='')),
                ('error_place', models.TextField(blank=True, db_default='')),
                ('probes', models.IntegerField(db_default=0)),
                ('next_probe_at', models.DateTimeField(null=True)),
            ],
            options={
                'verbose_name': 'kind set aside',
                'verbose_name_plural': 'kinds set aside',
            },
        ),
        migrations.CreateModel(
            name='Lane',
            fields=[
                ('user_id', models.TextField(db_collation='C', primary_key=True, serialize=False)),
                ('next_seq', models.BigIntegerField(db_default=1)),
                ('waiting_since', models.DateTimeField(help_text='when the first of the events that wait here was read', null=True)),
                ('waits_for', models.TextField(blank=True, choices=[('', 'nothing'), ('gap', 'a seq that is missing'), ('retry', 'the retry of its next event'), ('kind', "its next event's kind, which is set aside"), ('turn', 'its turn: its next event is there')], db_default='')),
                ('order_version', models.BigIntegerField(db_default=0, help_text='raised with each change of the order list')),
                ('moved_at', models.DateTimeField(help_text='the time of the last outcome that moved it', null=True)),
                ('set_back_from', models.BigIntegerField(help_text='an operator set it back: below this seq, final events may lie ahead', null=True)),
            ],
        ),
        migrations.CreateModel(
            name='Loss',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('topic', models.TextField(db_collation='C')),
                ('partition', models.IntegerField()),
                ('topic_id', models.TextField(blank=True, help_text='of the log that lost them; empty where the broker has none')),
                ('first_offset', models.BigIntegerField()),
                ('last_offset', models.BigIntegerField(help_text='none: how far they reached was never seen', null=True)),
                ('why', models.TextField(choices=[('deleted', 'deleted: retention, or somebody, was faster'), ('truncated', 'truncated: the log ends before what was read of it'), ('made anew', 'made anew: the topic was deleted, or the broker forgot it')])),
                ('found_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('acknowledged_at', models.DateTimeField(null=True)),
                ('acknowledged_by', models.TextField(blank=True, db_default='')),
            ],
            options={
                'verbose_name_plural': 'losses',
            },
        ),
        migrations.CreateModel(
            name='OperatorAction',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('event_id', models.TextField(blank=True, db_index=True)),
                ('user_id', models.TextField(blank=True, db_collation='C', db_default='')),
                ('action', models.TextField()),
                ('actor', models.TextField()),
                ('detail', models.TextField(blank=True)),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.CreateModel(
            name='PartitionPosition',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('topic', models.TextField(db_collation='C')),
                ('partition', models.IntegerField()),
                ('topic_id', models.TextField(blank=True, help_text='of the log that was read; empty where the broker has none')),
                ('generation', models.IntegerField(db_default=1, help_text='raised when the log is another one, or was cut')),
                ('next_offset', models.BigIntegerField(help_text='everything before it is in the inbox, or recorded as lost')),
                ('end_offset', models.BigIntegerField(help_text='the highest end of the log that was seen')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.CreateModel(
            name='PassedGap',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('user_id', models.TextField(db_collation='C')),
                ('first_seq', models.BigIntegerField()),
                ('last_seq', models.BigIntegerField()),
                ('waited_ms', models.BigIntegerField(help_text='since the first event behind the gap was read')),
                ('passed_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.CreateModel(
            name='PipelineState',
            fields=[
                ('id', models.IntegerField(primary_key=True, serialize=False)),
                ('counted_at', models.DateTimeField()),
                ('numbers', models.JSONField()),
            ],
        ),
        migrations.CreateModel(
            name='Process',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('role', models.TextField()),
                ('host', models.TextField()),
                ('pid', models.IntegerField()),
                ('version', models.TextField()),
                ('started_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('heartbeat_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('ended_at', models.DateTimeField(null=True)),
                ('rate', models.FloatField(db_default=0.0, help_text='events a second, since the heartbeat before the last')),
                ('partitions', models.JSONField(help_text="a consumer's: how far behind, in messages and seconds")),
                ('error_class', models.TextField(blank=True, db_default='')),
                ('error_place', models.TextField(blank=True, db_default='')),
                ('error_at', models.DateTimeField(null=True)),
            ],
            options={
                'verbose_name_plural': 'processes',
                'indexes': [models.Index(models.F('heartbeat_at'), name='processes_heartbeat')],
            },
        ),
        migrations.CreateModel(
            name='Retention',
            fields=[
                ('id', models.IntegerField(primary_key=True, serialize=False)),
                ('stripped_until', models.DateTimeField(help_text='events received before this were stripped, if they were final')),
            ],
        ),
        migrations.CreateModel(
            name='Traceback',
            fields=[
                ('pk', models.CompositePrimaryKey('error_class', 'place', 'hour', blank=True, editable=False, primary_key=True, serialize=False)),
                ('error_class', models.TextField()),
                ('place', models.TextField()),
                ('hour', models.DateTimeField(db_index=True)),
                ('text', models.TextField()),
            ],
        ),
        migrations.CreateModel(
            name='FailedAttempt',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('event_id', models.TextField(db_collation='C')),
                ('attempt', models.IntegerField()),
                ('at', models.DateTimeField()),
                ('process', models.TextField(help_text='which ran it')),
                ('error_class', models.TextField()),
                ('place', models.TextField(help_text="the innermost line of the project's own code")),
                ('message', models.TextField()),
            ],
            options={
                'indexes': [models.Index(models.F('event_id'), models.F('attempt'), name='failed_attempts_event'), models.Index(models.F('at'), name='failed_attempts_time')],
            },
        ),
        migrations.CreateModel(
            name='FailureGroup',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reason', models.TextField()),
                ('kind', models.TextField(help_text='a family, one of its declared types, a topic of unreadable messages, or a file')),
                ('error_class', models.TextField()),
                ('place', models.TextField()),
                ('open', models.BigIntegerField(help_text='dead letters that were neither replayed nor discarded')),
                ('total', models.BigIntegerField(help_text='dead letters that there ever were')),
                ('first_seen', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('last_seen', models.DateTimeField()),
                ('resolved_at', models.DateTimeField(help_text='when the last open one was gone', null=True)),
            ],
            options={
                'verbose_name': 'group of failures',
                'verbose_name_plural': 'groups of failures',
                'constraints': [models.UniqueConstraint(fields=('reason', 'kind', 'error_class', 'place'), name='one_group_a_cause')],
            },
        ),
        migrations.CreateModel(
            name='Alert',
            fields=[
                ('key', models.TextField(db_collation='C', primary_key=True, serialize=False)),
                ('text', models.TextField()),
                ('since', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('over_at', models.DateTimeField(null=True)),
                ('told', models.BooleanField(db_default=False, help_text='that it has begun')),
                ('claimed_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='Count',
            fields=[
                ('pk', models.CompositePrimaryKey('minute', 'writer', 'kind', 'what', blank=True, editable=False, primary_key=True, serialize=False)),
                ('minute', models.DateTimeField()),
                ('writer', models.TextField(db_collation='C')),
                ('kind', models.TextField(db_collation='C', help_text='as dead letters are grouped; empty: of transactions')),
                ('what', models.TextField(db_collation='C')),
                ('number', models.BigIntegerField()),
            ],
            options={
                'indexes': [models.Index(models.F('minute'), condition=models.Q(('writer', ''), _negated=True), name='counts_of_writers')],
            },
        ),
        migrations.CreateModel(
            name='DeadLetter',
            fields=[
                ('event', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='dead_letter', serialize=False, to='processing.inboxevent')),
                ('reason', models.TextField(choices=[('failed', 'its handler kept failing'), ('poison', 'it could not be read'), ('ahead', 'its seq is too far ahead of its lane')])),
                ('queued_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('published_at', models.DateTimeField(help_text='when Kafka had its copy on the dead-letter topic', null=True)),
                ('discarded_at', models.DateTimeField(null=True)),
                ('group', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='letters', to='processing.failuregroup')),
            ],
        ),
        migrations.AddIndex(
            model_name='inboxevent',
            index=models.Index(condition=models.Q(('seq__isnull', False)), fields=['user_id', 'seq'], name='inbox_numbered'),
        ),
        migrations.AddIndex(
            model_name='inboxevent',
            index=models.Index(models.F('received_at'), name='inbox_received'),
        ),
        migrations.AddIndex(
            model_name='inboxevent',
            index=models.Index(fields=['user_id', '-received_at'], name='inbox_user_newest'),
        ),
        migrations.AddIndex(
            model_name='inboxevent',
            index=models.Index(fields=['type', '-received_at'], name='inbox_type_newest'),
        ),
        migrations.AddIndex(
            model_name='inboxevent',
            index=models.Index(models.F('next_attempt_at'), condition=models.Q(('status', 'retrying'), ('waits_for__isnull', True)), name='inbox_retrying'),
        ),
        migrations.AddIndex(
            model_name='inboxevent',
            index=models.Index(models.F('waits_for'), models.F('arrival'), condition=models.Q(('waits_for__isnull', False)), name='inbox_set_aside'),
        ),
        migrations.AddIndex(
            model_name='inboxevent',
            index=models.Index(models.F('received_at'), condition=models.Q(('raw__isnull', False)), name='inbox_kept'),
        ),
        migrations.AddIndex(
            model_name='inboxevent',
            index=models.Index(models.F('user_id'), models.F('replay'), models.F('replay_order'), condition=models.Q(('replay__isnull', False), ('status', 'retrying')), name='inbox_replayed'),
        ),
        migrations.AddIndex(
            model_name='inboxevent',
            index=models.Index(models.F('status'), models.F('received_at'), condition=models.Q(('status', 'processed'), _negated=True), name='inbox_unhappy'),
        ),
        migrations.AddIndex(
            model_name='inboxevent',
            index=models.Index(condition=models.Q(('status', 'processed'), _negated=True), fields=['family', 'status', '-received_at'], name='inbox_family_unhappy'),
        ),
        migrations.AddIndex(
            model_name='lane',
            index=models.Index(models.F('waits_for'), models.F('waiting_since'), condition=models.Q(('waiting_since__isnull', False)), name='lanes_waiting'),
        ),
        migrations.AddIndex(
            model_name='loss',
            index=models.Index(models.F('topic'), models.F('partition'), name='losses_place'),
        ),
        migrations.AddIndex(
            model_name='loss',
            index=models.Index(models.F('found_at'), condition=models.Q(('acknowledged_at', None)), name='losses_open'),
        ),
        migrations.AddIndex(
            model_name='operatoraction',
            index=models.Index(condition=models.Q(('user_id', ''), _negated=True), fields=['user_id', '-id'], name='operator_actions_lane'),
        ),
        migrations.AddConstraint(
            model_name='partitionposition',
            constraint=models.UniqueConstraint(fields=('topic', 'partition'), name='one_position_a_partition'),
        ),
        migrations.AddIndex(
            model_name='passedgap',
            index=models.Index(fields=['user_id', '-id'], name='passed_gaps_user'),
        ),
        migrations.AddIndex(
            model_name='passedgap',
            index=models.Index(models.F('passed_at'), name='passed_gaps_time'),
        ),
        migrations.AddIndex(
            model_name='deadletter',
            index=models.Index(models.F('queued_at'), name='dead_letters_queued'),
        ),
        migrations.AddIndex(
            model_name='deadletter',
            index=models.Index(models.F('queued_at'), models.F('event'), condition=models.Q(('discarded_at', None)), name='dead_letters_open'),
        ),
        migrations.AddIndex(
            model_name='deadletter',
            index=models.Index(models.F('queued_at'), condition=models.Q(('published_at', None)), name='dead_letters_unpublished'),
        ),
        # each transaction that stores events of a kind set aside takes a number, and gives each event one behind it
        migrations.RunSQL(
            'CREATE SEQUENCE processing_arrival INCREMENT BY 1000000', 'DROP SEQUENCE processing_arrival'
        ),
        WithoutLikeIndexes(),
    ]
