import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("ingest", "0001_api_keys")]

    operations = [
        migrations.CreateModel(
            name='GameEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('event_id', models.TextField(db_collation='C')),
                ('event_type', models.TextField()),
                ('player_id', models.TextField(db_collation='C')),
                ('game_id', models.TextField(blank=True, null=True)),
                ('session_id', models.TextField(blank=True, null=True)),
                ('seq', models.BigIntegerField(blank=True, null=True)),
                ('timestamp', models.DateTimeField()),
                ('data', models.JSONField()),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
            ],
            options={
                'db_table': 'game_events',
                'indexes': [models.Index(fields=['-timestamp', '-id'], name='game_events_newest'), models.Index(fields=['player_id', '-timestamp', '-id'], name='game_events_player_newest'), models.Index(fields=['event_type', '-timestamp', '-id'], name='game_events_type_newest')],
                'constraints': [models.UniqueConstraint(fields=('event_id',), name='game_events_event_id_unique')],
            },
        ),
    ]
