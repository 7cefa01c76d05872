import django.db.models.functions.datetime
from django.db import migrations, models

import processing.domain.statuses
from processing.postgres.migration_steps import WithoutLikeIndexes


class Migration(migrations.Migration):

    dependencies = [
        ('processing', '0001_initial'),
    ]

    operations = [
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
        migrations.DeleteModel(
            name='CircuitBreaker',
        ),
        migrations.RemoveIndex(
            model_name='inboxevent',
            name='inbox_retrying',
        ),
        migrations.RemoveIndex(
            model_name='lane',
            name='lanes_waiting',
        ),
        migrations.AddField(
            model_name='inboxevent',
            name='arrival',
            field=models.BigIntegerField(help_text='its place among those that wait for a kind', null=True),
        ),
        migrations.AddField(
            model_name='inboxevent',
            name='waits_for',
            field=models.TextField(help_text='the kind that is set aside, for which it waits', null=True),
        ),
        migrations.AddField(
            model_name='lane',
            name='waits_for',
            field=models.TextField(blank=True, choices=[('', 'nothing'), ('gap', 'a seq that is missing'), ('retry', 'the retry of its next event'), ('kind', "its next event's kind, which is set aside"), ('turn', 'its turn: its next event is there')], db_default=''),
        ),
        migrations.AlterField(
            model_name='inboxevent',
            name='status',
            field=models.TextField(choices=[('held', 'held: waits for an earlier seq of its user, or for its kind'), ('retrying', 'retrying: its handler failed and will run again'), ('processed', 'processed'), ('failed', 'failed: tries used up, or unreadable; a dead letter'), ('skipped', 'skipped: its seq was taken by another event, or passed over')]),
        ),
        migrations.AddIndex(
            model_name='inboxevent',
            index=models.Index(models.F('next_attempt_at'), condition=models.Q(('status', processing.domain.statuses.Status['RETRYING']), ('waits_for__isnull', True)), name='inbox_retrying'),
        ),
        migrations.AddIndex(
            model_name='inboxevent',
            index=models.Index(models.F('waits_for'), models.F('arrival'), condition=models.Q(('waits_for__isnull', False)), name='inbox_set_aside'),
        ),
        migrations.AddIndex(
            model_name='lane',
            index=models.Index(models.F('waits_for'), models.F('waiting_since'), condition=models.Q(('waiting_since__isnull', False)), name='lanes_waiting'),
        ),
        # each transaction that stores events of such a kind takes a number, and gives each event one behind it
        migrations.RunSQL(
            'CREATE SEQUENCE processing_arrival INCREMENT BY 1000000', 'DROP SEQUENCE processing_arrival'
        ),
        # a gap check looks for itself whether there is one
        migrations.RunSQL(
            "UPDATE processing_lane SET waits_for = 'gap' WHERE waiting_since IS NOT NULL", migrations.RunSQL.noop
        ),
        WithoutLikeIndexes(),
    ]
